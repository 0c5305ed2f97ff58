"""Objectives and the official VQA metric."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.stages.train.metrics.bleu import bleu
from modalmill.stages.train.metrics.vqa_accuracy import accuracy, normalise, soft_scores
from modalmill.stages.train.model.objectives import fit_objective, load_objective
from modalmill.stages.train.options import InputOptions, TrainOptions


def options(task: str) -> TrainOptions:
    return TrainOptions(task=task, target="y", inputs={"a": InputOptions()}, answers=10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "wanted"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)]
)
def test_accuracy_is_the_average_over_leave_one_out_sets(said: int, wanted: float) -> None:
    annotators = ["red"] * said + [f"other {number}" for number in range(10 - said)]
    assert accuracy("red", annotators) == pytest.approx(wanted)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=10), st.sampled_from("abcd"))
def test_accuracy_equals_the_sum_written_out(annotators: list[str], answer: str) -> None:
    sets = [annotators[:place] + annotators[place + 1 :] for place in range(len(annotators))]
    wanted = [answer, *annotators]
    wanted = [normalise(word) for word in wanted] if len(set(annotators)) > 1 else wanted
    said = wanted[0]
    slow = math.fsum(
        min(
            1.0,
            sum(normalise(x) == said if len(set(annotators)) > 1 else x == said for x in some) / 3,
        )
        for some in sets
    ) / len(sets)
    assert accuracy(answer, annotators) == pytest.approx(slow)


def test_unanimous_answers_are_learned_as_they_are_normalised() -> None:
    assert soft_scores(["Yes"] * 10) == {"yes": 1.0}
    assert soft_scores(["two"] * 10) == {"2": 1.0}
    assert soft_scores(["cat"]) == {"cat": 1.0}
    assert accuracy("cat", ["cat"]) == 1.0


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("The two dogs.", "2 dogs"),
        ("none", "0"),
        ("dont know", "don't know"),
        ("it's 1,000", "it's 1000"),
        ("a man, a plan", "man plan"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("3.5", "3.5"),
        ("U.S.A.", "usa"),
        ("yes\n", "yes"),
        ("couldnt've", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("t-shirt", "t shirt"),
        ("hot-dog , bun", "hot dog bun"),
    ],
)
def test_answers_are_normalised_as_the_official_scorer_does(answer: str, wanted: str) -> None:
    assert normalise(answer) == wanted


def test_nothing_is_normalised_where_all_annotators_agree() -> None:
    assert accuracy("2", ["two"] * 10) == 0.0
    assert accuracy("2", ["two"] * 9 + ["three"]) == 1.0


@given(st.lists(st.sampled_from(["two", "2", "red", "the red"]), min_size=2, max_size=10))
def test_soft_scores_lie_between_zero_and_one(annotators: list[str]) -> None:
    assert all(0 <= score <= 1 for score in soft_scores(annotators).values())


def test_classes_are_those_of_the_training_split_and_unknown_ones_score_nothing() -> None:
    made = fit_objective(options("classification"), [{"y": "a"}, {"y": "b"}, {"y": "b"}, {}])
    assert made.outputs == 2
    encoded, weight = made.encode([{"y": "b"}, {"y": "new"}, {}])
    assert (encoded.tolist(), weight.tolist()) == ([0, 0, 0], [1.0, 0.0, 0.0])
    score, counted = made.score(
        torch.tensor([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), [{"y": "b"}, {"y": "new"}, {}]
    )
    assert (score.tolist(), counted.tolist()) == ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0])
    assert made.prior().argmax() == 0


def test_vqa_learns_soft_scores_and_answers_in_the_commonest_spelling() -> None:
    targets = [{"y": ["two"] * 6 + ["2"] * 2 + ["many"] * 2}, {"y": ["red"] * 10}]
    made = fit_objective(options("vqa"), targets)
    encoded, _ = made.encode(targets)
    scores = dict(zip(made.state()["classes"], encoded[0].tolist(), strict=True))
    assert scores["two"] == 1.0
    assert scores["many"] == pytest.approx(0.6)
    assert made.score(encoded * 10 - 5, targets)[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("classification", [{"y": "a"}, {"y": "b"}]),
        ("vqa", [{"y": ["a", "a", "b"]}]),
        ("regression", [{"y": 1.0}, {"y": 3.0}]),
    ],
)
def test_an_objective_is_made_again_from_its_state(
    task: str, targets: list[dict[str, object]]
) -> None:
    made = fit_objective(options(task), targets)
    again = load_objective(task, made.state())
    for one, other in itertools.pairwise([made, again]):
        assert torch.equal(one.prior(), other.prior())
        assert all(
            torch.equal(a, b)
            for a, b in zip(one.encode(targets), other.encode(targets), strict=True)
        )


def test_regression_scores_in_the_unit_of_the_target() -> None:
    made = fit_objective(options("regression"), [{"y": 10.0}, {"y": 20.0}])
    score, _ = made.score(torch.zeros(2, 1), [{"y": 10.0}, {"y": 20.0}])
    assert score.tolist() == [-5.0, -5.0]
    assert made.answers(torch.zeros(1, 1), 1) == [[("15", None)]]


def test_a_target_that_nobody_has_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match="there are label, size"):
        fit_objective(options("classification"), [{"label": "x", "size": 1}])


@pytest.mark.parametrize(
    ("written", "references", "orders", "wanted"),
    [
        # the examples of Papineni et al. 2002: a word counts as often as one reference has it
        (
            "the the the the the the the",
            ["the cat is on the mat", "there is a cat on the mat"],
            1,
            2 / 7,
        ),
        ("a b c d e", ["a b c d e"], 4, 1.0),
        ("a b c d x", ["a b c d e"], 4, (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        ("a b c d", ["a b c d e f g h"], 4, math.exp(1 - 8 / 4)),
        # of two lengths that are as close, the shorter
        ("a b c d", ["a b c", "a b c d e"], 1, 1.0),
        ("a b c x d e f", ["a b c y d e f"], 4, 0.0),
        ("a red cat", ["a red cat"], 4, 1.0),  # nobody wrote four words
        ("a red", ["a red cat"], 4, 0.0),
    ],
)
def test_bleu_by_hand(written: str, references: list[str], orders: int, wanted: float) -> None:
    assert bleu([written.split()], [[one.split() for one in references]], orders) == pytest.approx(
        wanted
    )


def test_bleu_adds_counts_over_the_corpus_before_it_divides() -> None:
    one, other = ["a", "b", "c", "d", "e"], ["a", "b", "x", "y"]
    wanted = [one, ["a", "b", "c", "d"]]
    found = bleu([one, other], [[some] for some in wanted])
    assert found == pytest.approx((7 / 9 * 5 / 7 * 3 / 5 * 2 / 3) ** 0.25)
