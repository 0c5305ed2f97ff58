"""Confident learning against its definition, written once more as loops over records, and against
answers that are known.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.labels.confident import (
    calibrated,
    confidence,
    confident_joint,
    pruned_by_noise_rate,
)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels, of which every class has some."""
    classes, extra = draw(st.integers(2, 4)), draw(st.integers(0, 25))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, extra)])
    logits = random.normal(0, draw(st.sampled_from([0.1, 1, 5])), (len(labels), classes))
    logits[np.arange(len(labels)), labels] += draw(st.sampled_from([0, 1, 3]))
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probability, labels


def joint_by_loops(probability: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """Equations 1 and 2 of Northcutt, Jiang & Chuang (2021), as they stand there."""
    classes = len(probability[0])
    threshold = []
    for j in range(classes):
        own = [p[j] for p, label in zip(probability, labels, strict=True) if label == j]
        threshold.append(sum(own) / len(own))
    joint = [[0] * classes for _ in range(classes)]
    for p, label in zip(probability, labels, strict=True):
        confident = [(p[j], j) for j in range(classes) if p[j] >= threshold[j] - 1e-9]
        if confident:
            joint[label][max(confident)[1]] += 1
    return joint


@given(predictions())
def test_the_joint_is_what_the_definition_counts(case: tuple[np.ndarray, np.ndarray]) -> None:
    assert confident_joint(*case).tolist() == joint_by_loops(*case)


@given(predictions())
def test_the_calibrated_joint_has_as_many_of_each_class_as_were_given(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    probability, labels = case
    joint = calibrated(confident_joint(probability, labels), labels)
    assert joint.sum(1) == pytest.approx(np.bincount(labels))


@given(predictions())
def test_pruning_takes_the_largest_differences_of_each_pair(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    probability, labels = case
    joint = calibrated(confident_joint(probability, labels), labels)
    wanted = set()
    for i in range(len(joint)):
        for j in range(len(joint)):
            own = [row for row, label in enumerate(labels) if label == i]
            own.sort(key=lambda row: probability[row][i] - probability[row][j])
            wanted |= set(own[: round(joint[i][j] + 1e-12)] if i != j else [])
    wanted = {row for row in wanted if max(probability[row]) > probability[row][labels[row]]}
    found = set(np.flatnonzero(pruned_by_noise_rate(probability, labels, joint)).tolist())
    # a half may be rounded either way
    halves = np.abs(joint % 1 - 0.5) < 1e-9
    assert found == wanted or halves.any()


def test_a_case_by_hand() -> None:
    """Means of the given class: a (.9 + .8 + .1) / 3 = .6, b (.7 + .9) / 2 = .8."""
    probability = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 1, 1])
    # the fourth reaches neither mean
    assert confident_joint(probability, labels).tolist() == [[2, 1], [0, 1]]
    says = confidence(probability, labels)
    assert says.joint_CC.tolist() == [[2, 1], [0, 2]]
    assert says.is_error_N.tolist() == [False, False, True, False, False]
    assert says.self_N.tolist() == [0.9, 0.8, 0.1, 0.7, 0.9]
    assert says.margin_N == pytest.approx([0.8, 0.6, -0.8, 0.4, 0.8])
    assert says.likeliest_N.tolist() == [0, 0, 1, 1, 1]


def test_probabilities_that_agree_with_all_labels_find_no_error() -> None:
    labels = np.repeat([0, 1, 2], 20)
    says = confidence(np.eye(3)[labels] * 0.9 + 0.1 / 3, labels)
    assert says.joint_CC.tolist() == np.diag([20.0, 20, 20]).tolist()
    assert not says.is_error_N.any()


def test_of_labels_that_were_exchanged_the_joint_says_how_many_and_pruning_which() -> None:
    random = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], 200)
    labels = true.copy()
    wrong = random.choice(200, 40, replace=False)
    labels[wrong] = 1  # of class 0
    says = confidence(np.eye(3)[true] * 0.8 + 0.2 / 3, labels)
    wanted = np.diag([160.0, 200, 200])
    wanted[1, 0] = 40
    assert says.joint_CC == pytest.approx(wanted)
    assert set(np.flatnonzero(says.is_error_N)) == set(wrong.tolist())
