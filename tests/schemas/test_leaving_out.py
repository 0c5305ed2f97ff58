"""A recipe without a rule or a stage is that recipe but for them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from modalmill.schemas.leaving_out import leave_out

STAGES: list[Any] = [
    {"clean.image": {"max_dark": 0.9, "min_side": 32}},
    {"clean.rules": {"image.dark": "< 0.9", "voice": {"duration_s": "> 1"}, "on_fault": "reject"}},
    "clean.duplicates",
    {"clean.text": {"min_words": 1}},
    {"clean.text": {"min_words": 3}},
    {"clean.rules": {"rules": {"image.bright": "< 0.5"}}},
]


@pytest.mark.parametrize(
    ("place", "number", "left"),
    [
        ("clean.image.max_dark", 0, {"clean.image": {"min_side": 32}}),
        ("stages.clean.image.min_side", 0, {"clean.image": {"max_dark": 0.9}}),
        ("clean.image", 0, None),
        ("clean.duplicates", 2, None),
        ("clean.text#2.min_words", 4, {"clean.text": {}}),
        ("clean.text#1", 3, None),
        (
            "clean.rules#1.image.dark",
            1,
            {"clean.rules": {"voice": {"duration_s": "> 1"}, "on_fault": "reject"}},
        ),
        (
            "clean.rules#1.voice.duration_s",
            1,
            {"clean.rules": {"image.dark": "< 0.9", "on_fault": "reject"}},
        ),
        ("clean.rules#2.image.bright", 5, None),
    ],
)
def test_one_thing_goes_and_the_rest_stays(place: str, number: int, left: object) -> None:
    value: dict[str, Any] = {"stages": copy.deepcopy(STAGES)}
    assert leave_out(value, place) is None
    assert value["stages"] == [
        *STAGES[:number],
        *([left] if left is not None else []),
        *STAGES[number + 1 :],
    ]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("clean.imag.max_dark", "no stage is called so"),
        ("clean.image.max_darc", "nothing of 'max_darc' in clean.image; did you mean 'max_dark'?"),
        ("clean.rules#1.image.dar", "did you mean 'image.dark'?"),
        ("clean.text.min_words", "several times; say which: clean.text#1, clean.text#2"),
        ("clean.duplicates.near_bits", "says nothing of 'near_bits' in clean.duplicates"),
        ("train.width", "wanted a stage of the recipe"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_word(place: str, told: str) -> None:
    value: dict[str, Any] = {"stages": copy.deepcopy(STAGES)}
    problem = leave_out(value, place)
    assert problem is not None
    assert problem.startswith(f"--without {place}: ")
    assert told in problem
    assert value["stages"] == STAGES
