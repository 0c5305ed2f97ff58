"""BLEU by hand."""

from __future__ import annotations

import math

import pytest
from modalmill.stages.train.metrics.bleu import bleu


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
