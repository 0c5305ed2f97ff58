"""A sheet of an Excel workbook, with the same mapping of columns as csv."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import ClassVar, Protocol

from ...schemas.contents import Kind
from ...schemas.errors import InputError, MissingPackageError, nearest
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Noted, Read
from ..template import is_absent
from ._columns import Columns, Mapper
from ._files import join
from ._table import distinct

_MOST_TITLES = 20


@dataclass(frozen=True, kw_only=True)
class Xlsx(Columns):
    """Rows of one sheet of an .xlsx workbook; cells that Excel computes have the value that it
    saved.

    sheet: its name; the first one where it is not given.
    """

    target_kind: ClassVar[Kind | None] = None

    sheet: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if importlib.util.find_spec("openpyxl") is None:
            raise MissingPackageError("openpyxl", "xlsx", "ingest.xlsx")

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        file = join(self.base, self.path)
        names, rows, notes = sheet_rows(root / file, file, self.sheet)
        yield from notes
        if names:
            self.check([word for word in names if word], file)
        mapper = Mapper(self, root, name, beat, checked=True)
        for number, cells in rows:
            filled = _filled(cells)
            if not filled:
                continue
            tally["rows"] += 1
            beyond = [
                cell
                for place, (word, cell) in enumerate(
                    itertools.zip_longest(names, cells, fillvalue="")
                )
                # a first column without a name is the index that pandas writes
                if not word and place and not is_absent(cell)
            ]
            if beyond:
                key = make_key(name, f"row-{number}")
                fault = Fault(
                    "stray_columns",
                    len(beyond),
                    0,
                    "cells beyond the named columns; give their columns a name",
                )
                yield Row(Record(key, key, Origin(name, file, number)), fault)
                continue
            yield mapper.row(
                named_cells(names, cells),
                file,
                number,
            )
        yield from mapper.rest(file, tally)


def sheet_rows(
    path: Path, file: str, wanted: str | None = None
) -> tuple[tuple[str, ...], Iterator[tuple[int, tuple[object, ...]]], list[Noted]]:
    """The names of a sheet's columns, the rows below them by their numbers, and what is to be told:
    the first sheet where none is ``wanted``.
    """
    import openpyxl

    with _reading(path):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if wanted is not None and wanted not in sheets:
        raise InputError(f"{file}: there is no sheet {wanted!r}{nearest(wanted, sheets)}")
    if not sheets:
        raise InputError(f"{file}: the workbook has no sheet with cells")
    notes = []
    first = next(iter(sheets))
    if wanted is None and len(sheets) > 1:
        notes.append(
            Noted(
                f"the first of {len(sheets)} sheets is read, {first!r}; set sheet to say otherwise"
            )
        )
    sheet = sheets[wanted or first]
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    rows = _rows(sheet, path)
    first_rows = list(itertools.islice(rows, _MOST_TITLES))
    # a title is one cell above a table of several columns
    least = 2 if any(_filled(cells) > 1 for cells in first_rows) else 1
    numbered = enumerate(itertools.chain(first_rows, rows), 1)
    for _, cells in numbered:
        filled = _filled(cells)
        if filled >= least:
            names = distinct(["" if is_absent(cell) else str(cell) for cell in cells])
            return names, numbered, notes
        if filled:
            notes.append(Noted("lines above the header passed over"))
    return (), iter(()), notes


def sheet_names(path: Path) -> list[str]:
    """The sheets of a workbook, in order."""
    import openpyxl

    with _reading(path):
        book = openpyxl.load_workbook(path, read_only=True)
    return [sheet.title for sheet in book.worksheets]


def named_cells(names: Sequence[str], cells: Sequence[object]) -> dict[str, object]:
    """The cells of a row by the names of their columns, dates as ISO 8601 writes them."""
    return {word: _cell(cell) for word, cell in zip(names, cells, strict=False) if word}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors of the zip, of its XML and of openpyxl as one of ours."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such table; check 'data' and 'path' in the recipe"
        ) from None
    except Exception as error:
        raise InputError(
            f"{path}: is no Excel workbook that can be read ({error}); save it as .xlsx, or as csv"
        ) from error


class _Sheet(Protocol):
    """A sheet of openpyxl, as it is read."""

    def iter_rows(self, *, values_only: bool) -> Iterator[tuple[object, ...]]: ...


def _rows(sheet: _Sheet, path: Path) -> Iterator[tuple[object, ...]]:
    rows = sheet.iter_rows(values_only=True)
    while True:
        with _reading(path):
            row = next(rows, None)
        if row is None:
            return
        yield row


def _filled(cells: tuple[object, ...]) -> int:
    return sum(not is_absent(cell) for cell in cells)


def _cell(value: object) -> object:
    """Dates as ISO 8601 writes them, other cells as they are."""
    return value.isoformat() if isinstance(value, (date, time)) else value
