"""Arrays made by column are those that pyarrow makes of the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.columns import (
    as_array,
    narrowed,
    numbered,
    numbered_by_name,
    rows_in_order,
)

WORDS = st.none() | st.text(max_size=3)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[object]]] = [
    (pa.string(), WORDS),
    (pa.int64(), st.none() | st.integers(-9, 9)),
    (pa.float64(), st.none() | st.floats(allow_nan=False)),
]


@st.composite
def nested(draw: st.DrawFn, depth: int = 3) -> tuple[pa.DataType, st.SearchStrategy[object]]:
    """A type of lists, structs and maps, and values of it."""
    kind = draw(st.sampled_from(["plain", "list", "struct", "map"] if depth else ["plain"]))
    if kind == "list":
        inner, values = draw(nested(depth - 1))
        return pa.list_(inner), st.lists(values, max_size=3)
    if kind == "struct":
        fields = draw(st.lists(nested(depth - 1), min_size=1, max_size=3))
        names = [f"f{number}" for number in range(len(fields))]
        types = [(name, inner) for name, (inner, _) in zip(names, fields, strict=True)]
        own = {name: values for name, (_, values) in zip(names, fields, strict=True)}
        return pa.struct(types), st.fixed_dictionaries(own)
    if kind == "map":
        inner, values = draw(nested(depth - 1))
        return pa.map_(pa.string(), inner), st.lists(st.tuples(st.text(max_size=3), values))
    return draw(st.sampled_from(KINDS))


@given(st.data())
def test_by_column_is_as_pyarrow_does_it(data: st.DataObject) -> None:
    kind, values = data.draw(nested())
    some = data.draw(st.lists(values, max_size=5))
    made, wanted = as_array(some, kind), pa.array(some, kind)
    assert made.type == wanted.type
    assert made.equals(wanted)
    assert written(made) == written(wanted)


def written(array: pa.Array) -> bytes:
    """The bytes of a file with this column."""
    table = pa.table({"a": array})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@given(st.data(), st.integers(1, 9))
def test_rows_in_order_are_those_of_one_take(data: st.DataObject, at_once: int) -> None:
    kind, values = data.draw(nested())
    chunks = data.draw(st.lists(st.lists(values, max_size=4), min_size=1, max_size=5))
    tables = [
        pa.table({"place": pa.array([place] * len(own)), "own": as_array(own, kind)})
        for place, own in enumerate(chunks)
    ]
    # row by row, in Python
    rows = [row for table in tables for row in table.to_pylist()]
    order = np.array(data.draw(st.permutations(range(len(rows)))), int)
    pieces = list(rows_in_order(list(map(len, tables)), tables.__getitem__, order, at_once))
    assert all(len(piece) <= at_once for piece in pieces)
    assert [row for piece in pieces for row in piece.to_pylist()] == [rows[row] for row in order]


@given(st.lists(st.text(max_size=2), max_size=30), st.integers(1, 5))
def test_words_are_numbered_alike_where_they_are_alike(words: list[str], size: int) -> None:
    chunks = [words[start : start + size] for start in range(0, len(words), size)]
    found = numbered(pa.chunked_array(chunks, pa.string())).tolist()
    assert len(found) == len(words)
    assert sorted(set(found)) == list(range(len(set(words))))
    assert len(set(zip(words, found, strict=True))) == len(set(words))
    by_name, names = numbered_by_name(pa.array(words, pa.string()))
    assert names.to_pylist() == sorted(set(words), key=str.encode)
    assert names.take(pa.array(by_name)).to_pylist() == words


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.text(max_size=2),
            "origin": st.none() | st.fixed_dictionaries({"id": WORDS, "file": WORDS}),
            "parts": st.none()
            | st.lists(st.fixed_dictionaries({"name": WORDS, "text": WORDS}), max_size=2),
        }
    ),
    max_size=6,
)
TABLE = pa.schema(
    [
        ("key", pa.string()),
        ("origin", pa.struct([("id", pa.string()), ("file", pa.string())])),
        ("parts", pa.list_(pa.struct([("name", pa.string()), ("text", pa.string())]))),
    ]
)


@given(ROWS, st.integers(0, 6))
def test_fields_of_structs_and_lists_are_taken_alone(
    rows: list[dict[str, Any]], start: int
) -> None:
    table = pa.concat_tables(
        [pa.Table.from_pylist(rows, TABLE), pa.Table.from_pylist(rows, TABLE).slice(start)]
    )
    found = narrowed(table, ["parts.text", "key", "origin.id"])
    assert found.column_names == ["parts", "key", "origin"]
    assert found.to_pylist() == [
        {
            "parts": own["parts"] and [{"text": part["text"]} for part in own["parts"]],
            "key": own["key"],
            "origin": own["origin"] and {"id": own["origin"]["id"]},
        }
        for own in [*rows, *rows[start:]]
    ]
