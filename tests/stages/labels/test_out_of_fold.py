"""Predictions out of fold: no model has seen the group of what it predicts, and absent parts add
nothing.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.errors import MissingPackageError
from modalmill.stages.labels.out_of_fold import PartVectors, assign_folds, pool_evidence, predicted


@given(
    sizes=st.lists(st.integers(1, 9), min_size=5, max_size=40),
    classes=st.integers(1, 4),
    folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_folds_keep_units_whole_and_every_record_has_one(
    sizes: list[int], classes: int, folds: int, seed: int
) -> None:
    unit = np.repeat(np.arange(len(sizes)), sizes)
    random = np.random.default_rng(seed)
    order = random.permutation(len(unit))
    unit, labels = unit[order], random.integers(0, classes, len(unit))
    fold = assign_folds(unit, labels, folds)
    assert all(len(set(fold[unit == one])) == 1 for one in set(unit.tolist()))
    assert set(fold.tolist()) == set(range(folds))


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=5), folds=st.integers(2, 6))
def test_records_without_groups_are_stratified_to_the_last(counts: list[int], folds: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    fold = assign_folds(np.arange(len(labels)), labels, folds)
    for given_class, count in enumerate(counts):
        own = Counter(fold[labels == given_class].tolist())
        assert {own[number] for number in range(folds)} <= {count // folds, -(-count // folds)}


def test_groups_of_one_class_spread_over_all_folds() -> None:
    unit = np.repeat(np.arange(20), 10)
    labels = np.repeat(np.tile([0, 1], 10), 10)
    fold = assign_folds(unit, labels, 5)
    assert all(
        Counter(fold[labels == one].tolist()) == dict.fromkeys(range(5), 20) for one in (0, 1)
    )


def clusters(rows: int, seed: int = 0, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    return np.eye(3)[labels].repeat(4, 1) + random.normal(0, spread, (rows, 12)), labels


def test_what_can_be_told_apart_is_told_apart_by_models_that_never_saw_it() -> None:
    vectors, labels = clusters(90)
    fold = assign_folds(np.arange(90), labels, 5)
    part = PartVectors(vectors.astype(np.float16), np.arange(90), False)
    says = predicted(part, labels, fold, "test")
    assert says is not None
    assert says.sum(1) == pytest.approx(np.ones(90))
    assert (says.argmax(1) == labels).all()


def test_a_group_that_says_its_label_in_its_vectors_is_not_believed() -> None:
    """Each group has a direction of its own and a label by chance: a model that had seen the group
    would know it, one that had not can only guess.
    """
    random = np.random.default_rng(1)
    unit = np.repeat(np.arange(40), 10)
    labels = random.integers(0, 2, 40)[unit]
    vectors = random.normal(size=(40, 60))[unit] + random.normal(0, 0.1, (400, 60))
    part = PartVectors(vectors, np.arange(400), False)

    def right(fold: np.ndarray) -> float:
        says = predicted(part, labels, fold, "test")
        assert says is not None
        return float((says.argmax(1) == labels).mean())

    assert right(assign_folds(np.arange(400), labels, 5)) > 0.95
    assert right(assign_folds(unit, labels, 5)) < 0.7


def test_a_record_without_the_part_has_no_probabilities_and_changes_nothing() -> None:
    vectors, labels = clusters(90)
    fold = assign_folds(np.arange(90), labels, 5)
    there = np.arange(60)
    some = predicted(PartVectors(vectors[there], there, False), labels, fold, "test")
    alone = predicted(PartVectors(vectors[there], there, False), labels[there], fold[there], "test")
    assert some is not None
    assert alone is not None
    assert np.isnan(some[60:]).all()
    assert some[:60] == pytest.approx(alone)


def test_where_a_fold_leaves_one_class_nothing_is_learned() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    part = PartVectors(np.eye(6), np.arange(6), False)
    assert predicted(part, labels, np.array([0, 0, 0, 1, 1, 1]), "test") is None


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_absent_parts_add_nothing_and_useless_ones_count_little(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(3000) % 2
    good = np.where(np.eye(2)[labels] == 1, 0.9, 0.1)
    wrong = random.random(3000) < 0.1
    good[wrong] = good[wrong, ::-1]
    chance = random.dirichlet([5, 5], 3000)
    good[2000:] = np.nan
    together, weights = pool_evidence({"good": good, "chance": chance}, labels)
    assert weights["good"] == pytest.approx(1, abs=0.2)
    assert weights["chance"] < 0.35
    assert (together[:2000].argmax(1) == good[:2000].argmax(1)).mean() > 0.95
    # without the good one there is the share of the class, and little more
    assert np.abs(together[2000:] - 0.5).mean() < 0.1
    nothing, _ = pool_evidence({"none": np.full((3000, 2), np.nan)}, labels)
    assert nothing == pytest.approx(np.full((3000, 2), 0.5))


def test_two_independent_parts_of_equal_worth_multiply() -> None:
    """With p(c | a) and p(c | b) calibrated and independent given the class, the best weights are
    those of naive Bayes, 1 and 1.
    """
    random = np.random.default_rng(0)
    labels = np.arange(40_000) % 2
    parts = {}
    for name, mean in (("a", 0.7), ("b", 1.0)):
        x = (2 * labels - 1) * mean + random.normal(size=len(labels))
        one = 1 / (1 + np.exp(-2 * mean * x))
        parts[name] = np.stack([1 - one, one], 1)
    _, weights = pool_evidence(parts, labels)
    assert weights == pytest.approx({"a": 1, "b": 1}, abs=0.05)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    part = PartVectors(np.eye(6), np.arange(6), False)
    with pytest.raises(MissingPackageError, match=r"modalmill labels needs .*modalmill\[train\]"):
        predicted(part, np.arange(6) % 2, np.arange(6) // 2, "modalmill labels")
