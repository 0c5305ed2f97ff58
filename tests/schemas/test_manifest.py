"""Records survive the way through tables; a manifest holds the written ones by key."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas import manifest
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row, manifest_pieces, rows_to_table, table_to_records
from modalmill.schemas.record import Fault, Origin, Record
from strategies import records


def to_manifest(tables: Sequence[pa.Table], rows: int = 1000) -> pa.Table:
    """The manifest of work tables, made so many rows at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "_ROWS_PER_GROUP", rows)
        pieces = list(manifest_pieces(len(tables), tables.__getitem__))
    assert all(len(piece) <= rows for piece in pieces)
    return pa.concat_tables(pieces)


@given(st.lists(records(), max_size=5))
def test_records_come_back_from_a_work_table_as_they_went_in(some: list[Record]) -> None:
    assert list(table_to_records(rows_to_table(Row(record) for record in some))) == some


@given(st.lists(records(), max_size=5, unique_by=lambda record: record.key), st.integers(1, 5))
def test_records_come_back_from_a_parquet_manifest(some: list[Record], rows: int) -> None:
    buffer = io.BytesIO()
    tables = [rows_to_table([Row(record)]) for record in some] or [rows_to_table([])]
    pq.write_table(to_manifest(tables, rows), buffer)
    # signals that the records of one piece lack are columns of it all the same
    assert to_manifest(tables, rows).equals(to_manifest(tables))
    back = list(table_to_records(pq.read_table(buffer)))
    assert sorted(back, key=lambda record: record.key) == sorted(
        some, key=lambda record: record.key
    )


@given(
    st.lists(records(), min_size=1, max_size=6, unique_by=lambda record: record.key),
    st.integers(1, 4),
)
def test_two_records_of_one_key_are_told(some: list[Record], rows: int) -> None:
    tables = [rows_to_table([Row(record)]) for record in [*some, some[-1]]]
    with pytest.raises(InputError, match="two records have the key"):
        to_manifest(tables, rows)


@given(st.lists(records(), min_size=2, max_size=6, unique_by=lambda record: record.key))
def test_a_faulted_row_stays_in_the_work_table_and_out_of_the_manifest(some: list[Record]) -> None:
    rows = [
        Row(record, Fault("rule", 1, 2) if place % 2 else None) for place, record in enumerate(some)
    ]
    table = rows_to_table(rows)
    assert table.num_rows == len(some)
    assert to_manifest([table])["key"].to_pylist() == sorted(record.key for record in some[::2])


def test_two_records_of_one_key_are_told_with_what_they_are_made_of() -> None:
    tables = [
        rows_to_table([Row(Record(key, key, Origin("s", file, row))) for key, row in rows])
        for file, rows in (("a.csv", [("a", 2), ("b", 3)]), ("b.csv", [("c", 2), ("b", 7)]))
    ]
    with pytest.raises(InputError, match=r"the key 'b', made of a.csv, row 3 and of b.csv, row 7"):
        list(manifest_pieces(2, tables.__getitem__))
