"""What is hidden, in training by chance and in evaluation on purpose, as pure functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.stream import FusionBatch, Labels
from modalmill.stages.train.data import hiding
from modalmill.stages.train.data.hiding import shown_in_training as shown

PARTS = ("a", "b", "c")


@given(
    st.integers(0, 9),
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_absence_is_nested_in_the_rate_keeps_one_part_and_hides_only_what_is_there(
    seed: int, there: list[list[bool]], one: float, other: float
) -> None:
    there_BM = np.array(there)
    table = hiding.table(seed, [f"k{row}" for row in range(len(there))], PARTS)
    few, many = (hiding.shown(table, there_BM, rate) for rate in sorted((one, other)))
    assert not (many & ~few).any()
    assert not (few & ~there_BM).any()
    assert (many.any(1) == there_BM.any(1)).all()
    backwards = hiding.table(seed, [f"k{row}" for row in reversed(range(len(there)))], PARTS)
    assert (
        hiding.shown(backwards[::-1], there_BM, one) == hiding.shown(table, there_BM, one)
    ).all()


def test_the_share_that_is_hidden_is_the_rate() -> None:
    keys = [f"k{row}" for row in range(4000)]
    table = hiding.table(0, keys, PARTS)
    there = np.ones((4000, 3), bool)
    for rate in (0.3, 0.5, 0.7):
        hidden = 1 - hiding.shown(table, there, rate).mean()
        assert hidden == pytest.approx(rate - rate**3 / 3, abs=0.02), (
            "of three hidden parts one comes back"
        )
    answers = ["yes", "no"] * 2000
    high = hiding.high_half(0, answers)
    assert len(high) == 1
    rates = hiding.rates_by(answers, high, 0.5)
    assert {round(rate, 6) for rate in rates} == {0.8, 0.2}


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
)
def test_modality_dropout_hides_only_what_is_there_and_never_all_of_it(
    present: list[list[bool]], share: float, epoch: int
) -> None:
    rows = len(present)
    one = FusionBatch(
        ("a", "b", "c"),
        Labels([str(row) for row in range(rows)], ["{}"] * rows),
        {},
        {},
        {},
        torch.tensor(present),
        torch.ones(rows),
    )
    seen = shown(one, share, 7, epoch)
    assert not (seen & ~one.present_BM).any()
    assert (seen.any(1) == one.present_BM.any(1)).all()
    again = shown(
        FusionBatch(
            ("a", "b", "c"),
            Labels(one.keys[::-1], one.labels.targets),
            {},
            {},
            {},
            one.present_BM.flip(0),
            one.weight_B,
        ),
        share,
        7,
        epoch,
    )
    assert torch.equal(again.flip(0), seen)


def test_the_share_of_hidden_parts_is_what_was_asked_for() -> None:
    rows = 4000
    one = FusionBatch(
        ("a", "b"),
        Labels([str(row) for row in range(rows)], ["{}"] * rows),
        {},
        {},
        {},
        torch.ones(rows, 2, dtype=torch.bool),
        torch.ones(rows),
    )
    kept = shown(one, 0.3, 0, 0).float().mean().item()
    # hidden with .3, but one of the two comes back where both were
    assert abs(kept - (1 - 0.3 + 0.3**2 / 2)) < 0.02
