"""A table of delimited text: csv, tsv, or anything like it, also packed (.gz, .bz2, .xz)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Noted, Range, Read, Seen
from ._columns import Columns, Mapper
from ._table import Dialect, TableRange, TableRow, find_dialect, find_ranges, read_rows

_NO_HEADER = (
    "; its first row was not taken for a header (names must be short and distinct): set header:"
    " true, or list the names"
)


# what the account is told of a row with cells beyond the named columns
_STRAY = {
    "reject": "",
    "join": "cells beyond the named columns, joined onto the last one",
    "ignore": "cells beyond the named columns, ignored",
}


@dataclass(frozen=True, kw_only=True)
class Csv(Columns):
    """Rows of a delimited table.

    encoding, delimiter, header, quoted: found from the file where they are not given; ``header``
        may list the column names. A name that stands in the header twice is ``name_2`` the second
        time.
    stray: cells beyond the named columns: ``reject`` the row, ``join`` them back onto the last
        named column, or ``ignore`` them.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | list[str] | None = None
    quoted: bool | None = None
    stray: Literal["reject", "join", "ignore"] = "reject"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"delimiter: wanted one character, found {self.delimiter!r}")

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        part = TableRange(dialect=self._dialect(root))
        yield from self.read_range(root, name, tally, beat, part, Seen())

    def ranges(self, root: Path, rows: int) -> list[TableRange]:
        return find_ranges(root / self.table_file(), self._dialect(root), rows)

    def _dialect(self, root: Path) -> Dialect:
        file = self.table_file()
        dialect = find_dialect(root / file, self.encoding, self.delimiter, self.header, self.quoted)
        guessed = "" if dialect.has_header or self.header is not None else _NO_HEADER
        self.check(list(dialect.header), file, guessed)
        return dialect

    def read_range(
        self, root: Path, name: str, tally: Counter[str], beat: Beat, part: Range, seen: Seen
    ) -> Iterator[Read]:
        assert isinstance(part, TableRange)
        dialect, file = part.dialect, self.table_file()
        if part.start == 0:
            yield from self._told(dialect)
        mapper = Mapper(self, root, name, beat, checked=True, seen=seen)
        last = [column for column in dialect.header if column][-1]
        for row in read_rows(root / file, dialect, part):
            tally["rows"] += 1
            yield self._row(row, dialect, last, mapper, name, file)
        if part.rows is None:
            yield from mapper.rest(file, tally)

    def _told(self, dialect: Dialect) -> Iterator[Noted]:
        """What the account is to say of the file before its rows."""
        if dialect.encoding not in ("utf-8", "utf-8-sig", "ascii") and self.encoding is None:
            yield Noted(
                f"read as {dialect.encoding}, found from its bytes; set encoding to say otherwise"
            )
        if dialect.skipped_lines:
            yield Noted("lines above the header passed over", dialect.skipped_lines)
        if dialect.has_header and len(dialect.header) > 1 and not dialect.header[0]:
            yield Noted("the first column has no name and is passed over")

    def _row(
        self, row: TableRow, dialect: Dialect, last: str, mapper: Mapper, name: str, file: str
    ) -> Row:
        """The record of a row, or why it is none. last: the last column that has a name."""
        fault = (
            Fault(
                row.fault,
                row.found,
                f"{len(dialect.header)} columns of text",
                f"the row is not whole: {row.found}",
            )
            if row.fault
            else None
        )
        note = ""
        if fault is None and any(row.extra):
            note = _STRAY[self.stray]
            if self.stray == "join":
                pieces = [row.cells[last], *row.extra]
                while pieces and not pieces[-1]:
                    pieces.pop()
                row.cells[last] = dialect.delimiter.join(pieces)
            elif self.stray == "reject":
                fault = Fault(
                    "stray_columns",
                    len(row.extra),
                    0,
                    "cells beyond the named columns; set stray to join or ignore",
                )
        if fault is not None:
            key = make_key(name, f"row-{row.number}")
            return Row(Record(key, key, Origin(name, file, row.number)), fault)
        found = mapper.row(row.cells, file, row.number)
        found.note = "; ".join(filter(None, (found.note, note)))
        return found
