"""Records survive the way through tables; a manifest holds the written ones by key."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.manifest import Row, rows_to_table, table_to_records, to_manifest
from modalmill.schemas.record import Fault, Record
from strategies import records


@given(st.lists(records(), max_size=5))
def test_records_come_back_from_a_work_table_as_they_went_in(some: list[Record]) -> None:
    assert list(table_to_records(rows_to_table(Row(record) for record in some))) == some


@given(st.lists(records(), max_size=5, unique_by=lambda record: record.key))
def test_records_come_back_from_a_parquet_manifest(some: list[Record]) -> None:
    buffer = io.BytesIO()
    pq.write_table(
        to_manifest([rows_to_table([Row(record)]) for record in some] or [rows_to_table([])]),
        buffer,
    )
    back = list(table_to_records(pq.read_table(buffer)))
    assert sorted(back, key=lambda record: record.key) == sorted(
        some, key=lambda record: record.key
    )


@given(st.lists(records(), min_size=2, max_size=6, unique_by=lambda record: record.key))
def test_a_faulted_row_stays_in_the_work_table_and_out_of_the_manifest(some: list[Record]) -> None:
    rows = [
        Row(record, Fault("rule", 1, 2) if place % 2 else None) for place, record in enumerate(some)
    ]
    table = rows_to_table(rows)
    assert table.num_rows == len(some)
    assert to_manifest([table])["key"].to_pylist() == sorted(record.key for record in some[::2])
