"""The rows of ``rejects.parquet``: each record that was left out, or goes on without a partner,
with where it came from and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .disk import read_table, replacing
from .manifest import FATE_NAMES, WORK_SCHEMA, as_text
from .record import Fault, Record

_COLUMNS = ("key", "origin", *FATE_NAMES)
REJECTS_SCHEMA = pa.schema([WORK_SCHEMA.field(name) for name in _COLUMNS])


class OriginRow(TypedDict):
    """Where a record came from, as it stands in a table."""

    source: str
    file: str
    row: int | None
    id: str | None


class FaultRow(TypedDict):
    """One row of ``rejects.parquet``."""

    key: str
    origin: OriginRow
    fate: str
    stage: str
    rule: str
    value: str | None
    threshold: str | None
    message: str


def fault_row(record: Record, fault: Fault, stage: str) -> FaultRow:
    """The row of a record that a stage refused."""
    origin = record.origin
    return {
        "key": record.key,
        "origin": {
            "source": origin.source,
            "file": origin.file,
            "row": origin.row,
            "id": origin.id,
        },
        "fate": fault.fate,
        "stage": stage,
        "rule": fault.rule,
        "value": as_text(fault.value),
        "threshold": as_text(fault.threshold),
        "message": fault.message,
    }


def faulted_rows(partitions: Sequence[Path]) -> Iterator[FaultRow]:
    """The rows of work tables that were not written, or go on without a partner."""
    for path in partitions:
        table = read_table(path).select(_COLUMNS)
        told = pc.and_(pc.is_valid(table["rule"]), pc.not_equal(table["fate"], "replaced"))
        for row in table.filter(told).to_pylist():
            yield row | {"fate": "unmatched" if row["fate"] == "written" else row["fate"]}


def write_rejects(path: Path, faults: Sequence[FaultRow]) -> None:
    """Write these rows as Parquet."""
    table = pa.Table.from_pylist(list(faults), schema=REJECTS_SCHEMA)
    with replacing(path) as aside:
        pq.write_table(table, aside, compression="zstd")
