"""Filters decide by columns before a medium is read, and never execute anything."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.schemas.where import Where

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
        ("size > 'a'", "compares what cannot be: size, a number, and 'a', a text"),
        ("answer in ['yes', 3] and size > 1", "compares what cannot be"),
        ("answer * 2 > size", "reckons with what cannot be: answer, a text, and 2, a number"),
        ("not answer", "answer is a text, and no condition.*as in answer == 'en'"),
        ("size > 1 and not (`voice.level`)", "`voice.level` is a number, .* > 0"),
        ("answer or size > 1", "answer is a text, and no condition"),
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


WORDS = st.sampled_from(["and", "or"])
NUMBERS = st.sampled_from(["a", "b.c", "2", "-1.5", "0", "(a + b.c)", "-a", "a * b.c", "a / b.c"])
COMPARISONS = st.builds(
    lambda left, sign, right: f"{left} {sign} {right}",
    st.sampled_from(["a", "b.c", "(a + b.c)", "-a", "a * b.c", "a / b.c"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    NUMBERS,
)
CONDITIONS = st.recursive(
    st.one_of(
        COMPARISONS,
        st.builds(lambda chain, end: f"{chain} < {end}", COMPARISONS, NUMBERS),
        st.sampled_from(
            [
                *("a in [0, 1]", "a not in [2]", "d in ['x', 'y']", "d == 'x'", "d != 'y'"),
                *("'p' in parts", "'p' not in parts"),
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.builds(lambda one: f"not ({one})", inner),
        st.builds(lambda one, two, word: f"({one}) {word} ({two})", inner, inner, WORDS),
    ),
    max_leaves=5,
)

VALUES = st.one_of(st.none(), st.sampled_from([-1.5, -1.0, 0.0, 1.0, 2.0, math.inf, math.nan]))
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "a": VALUES,
            "b.c": VALUES,
            "d": st.sampled_from([None, "x", "y", "z"]),
            "p": st.booleans(),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300)
@given(CONDITIONS, RECORDS)
def test_one_record_gets_the_answer_that_its_row_gets_in_columns(
    text: str, records: list[dict[str, Any]]
) -> None:
    kinds = {"a": pa.float64(), "b.c": pa.float64(), "d": pa.string(), "p": pa.bool_()}
    columns = {
        name: pa.array([record[name] for record in records], kind) for name, kind in kinds.items()
    }
    where = Where(text)
    assert [where.of(record.get, record.__getitem__) is True for record in records] == where.mask(
        columns.__getitem__, columns.__getitem__
    ).tolist()


@pytest.mark.parametrize("text", ["not answer", "size > 1 and answer", "answer or size > 9"])
def test_a_text_is_no_condition_of_one_record_either(text: str) -> None:
    record = {"answer": "yes", "size": 3.0}
    with pytest.raises(InputError, match="answer is a text, and no condition"):
        Where(text).of(record.get, lambda part: False)


@pytest.mark.parametrize(
    "text", ["not size", "answer == 'yes' and size", "not (size - 3)", "answer == 'no' or 0.5"]
)
def test_a_number_is_no_condition_of_one_record_either(text: str) -> None:
    record = {"answer": "yes", "size": 3.0}
    with pytest.raises(InputError, match=r"is a number, and no condition.*, as in .* > 0"):
        Where(text).of(record.get, lambda part: False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("whole / 2 == 1.5", [True, False]),
        ("whole / other == 1.5", [True, False]),
        ("whole + 0.5 > other", [True, True]),
        ("large > 9007199254740993", [False, False]),
        ("truth == 1", [True, False]),
        ("truth in [True]", [True, False]),
        ("truth and whole > 1", [True, False]),
        ("truth == truth", [True, True]),
    ],
)
def test_whole_numbers_and_truth_values_are_by_column_what_they_are_by_record(
    text: str, wanted: list[bool]
) -> None:
    records = [
        {"whole": 3, "other": 2, "large": 1 << 53, "truth": True},
        {"whole": 4, "other": 4, "large": 5, "truth": False},
    ]
    columns = {name: pa.array([record[name] for record in records]) for name in records[0]}
    where = Where(text)
    assert where.mask(columns.__getitem__, columns.__getitem__).tolist() == wanted
    assert [where.of(record.get, lambda part: False) is True for record in records] == wanted


def test_each_link_of_a_chain_is_looked_at() -> None:
    with pytest.raises(InputError, match="in quotes"):
        Where("'image' in parts in parts")
    assert Where("1 < size in [2, 3]").names == {"size"}
