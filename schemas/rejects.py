"""The rows of ``rejects.parquet``: each record that was left out, or goes on without a partner,
with where it came from and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from .disk import is_made_from, note_made_from, read_table, write_parquet
from .fingerprint import fingerprint
from .manifest import FATE_NAMES, WORK_SCHEMA, as_text
from .record import Fault, Record

_VERSION = 1
_ROWS_PER_GROUP = 65_536  # of the Parquet file
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


class Faults:
    """The rows of work tables that were not written, or go on without a partner; read when they are
    asked for, for a join alone can leave as many as there are records.

    more: others, which no work table has.
    """

    def __init__(self, tables: Sequence[Path], more: Sequence[FaultRow] = ()) -> None:
        self._tables = tables
        self._more = more

    def made_from(self) -> list[str]:
        """Names that change when the rows do."""
        return [*(path.name for path in self._tables), fingerprint(self._more)]

    def pieces(self) -> Iterator[pa.Table]:
        """The rows as tables, one after the other."""
        for path in self._tables:
            table = read_table(path).select(_COLUMNS)
            told = pc.and_(pc.is_valid(table["rule"]), pc.not_equal(table["fate"], "replaced"))
            table = table.filter(told)
            if table.num_rows:
                goes_on = pc.equal(table["fate"], "written")
                fates = pc.if_else(goes_on, "unmatched", table["fate"])
                yield table.set_column(_COLUMNS.index("fate"), REJECTS_SCHEMA.field("fate"), fates)
        if self._more:
            yield pa.Table.from_pylist(list(self._more), schema=REJECTS_SCHEMA)

    def __iter__(self) -> Iterator[FaultRow]:
        for piece in self.pieces():
            yield from piece.to_pylist()


def write_rejects(path: Path, note: Path, faults: Faults) -> None:
    """Write these rows as Parquet, unless ``note`` says that they are there already."""
    made_from = [f"version {_VERSION}", *faults.made_from()]
    if not is_made_from(path, note, made_from):
        write_parquet(path, _groups(faults.pieces()))
        note_made_from(path, note, made_from)


def _groups(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Pieces put together to row groups of some size; one without rows where there are none."""
    waiting = [REJECTS_SCHEMA.empty_table()]
    rows = written = 0
    for piece in pieces:
        waiting.append(piece.cast(REJECTS_SCHEMA))
        rows += len(piece)
        if rows >= _ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting, written, rows = [], written + rows, 0
    if rows or not written:
        yield pa.concat_tables(waiting)
