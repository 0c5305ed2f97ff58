"""Keys are safe and unique; a cut is a cut of what is left."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.record import Cue, Part, make_key
from modalmill.stages.modality import modality


@given(st.text(max_size=200), st.text(max_size=200))
def test_keys_are_safe_in_a_tar_and_distinct_names_stay_distinct(one: str, other: str) -> None:
    first, second = make_key("s", one), make_key("s", other)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", first)
    assert (first == second) == (one == other)


def test_a_key_of_safe_words_stays_readable() -> None:
    assert make_key("vqa", 25006) == "vqa-25006"


@given(st.floats(0, 50), st.floats(0.1, 50), st.floats(0, 20), st.floats(0.1, 20))
def test_a_cut_of_a_cut_lies_inside_it(
    start: float, length: float, inner: float, inner_length: float
) -> None:
    part = modality("audio").cut(
        Part("audio", uri="a.wav", start_s=start, end_s=start + length), inner, inner + inner_length
    )
    assert part.start_s == start + inner
    assert part.end_s is not None
    assert part.end_s <= start + length


def test_cues_move_with_the_cut() -> None:
    part = modality("text").cut(
        Part("text", text="a b c", cues=(Cue(0, 1, "a"), Cue(1, 2, "b"), Cue(2, 3, "c"))), 0.5, 2.0
    )
    assert part.cues == (Cue(0.0, 0.5, "a"), Cue(0.5, 1.5, "b"))
    assert part.text == "a b"
