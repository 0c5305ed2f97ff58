"""The official VQA metric."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.train.metrics.vqa_accuracy import accuracy, normalise, soft_scores


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


@pytest.mark.parametrize("word", ["ow's'at", "'ows'at", "'ow'sat"])
def test_the_one_word_that_begins_with_an_apostrophe(word: str) -> None:
    assert normalise(word) == "'ow's'at"
