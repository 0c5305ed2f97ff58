"""Filters decide by columns before a medium is read, and never execute anything."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from modalmill.stages.stream.shards.where import Where

COLUMNS = {
    "size": pa.array([1.0, None, 3.0, 4.0]),
    "voice.level": pa.array([-1.0, -2.0, None, 0.0]),
    "answer": pa.array(["yes", "no", None, "red"]),
}
PARTS = {"image": pa.array([True, True, False, False])}


def rows(text: str) -> list[int]:
    return [
        int(row) for row in Where(text).mask(COLUMNS.__getitem__, PARTS.__getitem__).nonzero()[0]
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("size > 1", [2, 3]),
        ("not size > 1", [0]),
        ("size != 3", [0, 3]),
        ("1 <= size < 4", [0, 2]),
        ("size > 1 or answer == 'no'", [1, 2, 3]),
        ("size > 1 and voice.level > -5", [3]),
        ("answer in ['yes', 'red']", [0, 3]),
        ("answer not in ('yes', 'red')", [1]),
        ("size in [1, 3]", [0, 2]),
        ("'image' in parts", [0, 1]),
        ("'image' not in parts and size >= 3", [2, 3]),
        ("size * 2 - 1 == 7", [3]),
        ("-voice.level / 2 == 1", [1]),
    ],
)
def test_what_a_filter_keeps_with_values_missing(text: str, wanted: list[int]) -> None:
    assert rows(text) == wanted


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("size >", "cannot be read"),
        ("size", "is no condition"),
        ("__import__('os').system('x')", "is not taken"),
        ("size > 'a'", "cannot be compared"),
        ("answer in parts", "in quotes"),
        ("answer in 'yes'", "wanted a list"),
        ("[x for x in size]", "is not taken"),
        ("size is 3", "wanted =="),
        ("lambda: 1", "is not taken"),
        ("size > open('x')", "is not taken"),
    ],
)
def test_what_is_no_filter_is_told_and_not_run(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        rows(text)


@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=30),
    st.integers(-5, 5),
    st.integers(-5, 5),
)
def test_a_filter_agrees_with_python_where_nothing_is_missing_and_is_unknown_elsewhere(
    values: list[int | None], low: int, high: int
) -> None:
    column = pa.array([None if value is None else float(value) for value in values], pa.float64())
    found = Where(f"a > {low} and not (a >= {high} or a == 0)").mask(
        {"a": column}.__getitem__, PARTS.__getitem__
    )
    assert found.tolist() == [
        value is not None and value > low and not (value >= high or value == 0) for value in values
    ]


def test_a_stream_reads_only_what_is_left(uneven_shards: Path) -> None:
    every = stream.open(uneven_shards, parts={"image": stream.BytesSpec()})
    sharpness = every.index.numbers("image.sharpness")
    middle = float(sorted(value for value in sharpness if not math.isnan(value))[85])
    some = stream.open(
        uneven_shards,
        where=f"image.sharpness > {middle} and label != '003'",
        parts={"image": stream.BytesSpec()},
        drop_last=False,
    )
    keys = {key for batch in some for key in batch.keys}
    all_keys = every.index.keys(range(len(every.index)))
    assert keys == {
        key
        for key, value in zip(all_keys, sharpness, strict=True)
        if value > middle and key != "photos-003"
    }
    long = stream.open(uneven_shards, where="audio.duration_s > 0.45")
    assert len(long.index.chosen[0]) == 26
    assert (
        len(stream.open(uneven_shards, where="'audio' in parts and split == 'all'").index.chosen[0])
        == 130
    )
    tars = sorted(path.stem for path in uneven_shards.glob("*.tar"))
    assert len(stream.open(uneven_shards, where=f"tar == '{tars[0]}'").index.chosen[0]) == int(
        (every.index.tar == 0).sum()
    )


def test_mistakes_in_a_filter_name_the_nearest_column(uneven_shards: Path) -> None:
    for text, what in (
        ("image.sharpnes > 3", "did you mean 'image.sharpness'"),
        ("lable == 'a'", "did you mean 'label'"),
        ("'imge' in parts", "did you mean 'image'"),
        ("image.sharpness > 1e12", "no record is left"),
    ):
        with pytest.raises(InputError, match=what):
            stream.open(uneven_shards, where=text)
    assert "x" not in os.environ
