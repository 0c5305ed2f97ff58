"""A sheet of an Excel workbook, with the same mapping of columns as csv."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...schemas.contents import Kind
from ...schemas.errors import InputError, MissingPackageError, nearest
from ..base import Beat, Noted, Read
from ._columns import Columns, Mapper
from ._files import join
from ._table import distinct
from ._template import is_absent

_MOST_TITLES = 20


@dataclass(frozen=True, kw_only=True)
class Xlsx(Columns):
    """Rows of one sheet of an .xlsx workbook; cells that Excel computes have the value that it saved.

    sheet: its name; the first one where it is not given.
    """

    target_kind: ClassVar[Kind | None] = None

    sheet: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if importlib.util.find_spec("openpyxl") is None:
            raise MissingPackageError("openpyxl", "xlsx", "ingest.xlsx")

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        import openpyxl

        file = join(self.base, self.path)
        try:
            book = openpyxl.load_workbook(root / file, read_only=True, data_only=True)
        except FileNotFoundError:
            raise InputError(f"{root / file}: there is no such table; check 'data' and 'path' in the recipe") from None
        except Exception as error:  # a zip, an XML parser and openpyxl itself each have errors of their own
            raise InputError(f"{root / file}: is no Excel workbook that can be read ({error}); save it as .xlsx, or as csv") from error
        if self.sheet is not None and self.sheet not in book.sheetnames:
            raise InputError(f"{file}: there is no sheet {self.sheet!r}{nearest(self.sheet, book.sheetnames)}")
        if self.sheet is None and len(book.sheetnames) > 1:
            yield Noted(f"the first of {len(book.sheetnames)} sheets is read, {book.sheetnames[0]!r}; set sheet to say otherwise")
        rows = book[self.sheet or book.sheetnames[0]].iter_rows(values_only=True)
        names: tuple[str, ...] = ()
        mapper = Mapper(self, root, name, beat)
        for number, cells in enumerate(rows, 1):
            filled = sum(not is_absent(cell) for cell in cells)
            if not names:
                if filled > 1 or (filled and len(cells) == 1) or number > _MOST_TITLES:
                    names = distinct(["" if is_absent(cell) else str(cell) for cell in cells])
                    self.check([word for word in names if word], file)
                elif filled:
                    yield Noted("lines above the header passed over")
                continue
            if not filled:
                continue
            tally["rows"] += 1
            yield mapper.row({word: _cell(cell) for word, cell in zip(names, cells, strict=False) if word}, file, number)
        yield from mapper.rest(file, tally)


def _cell(value: Any) -> Any:
    """Dates as ISO 8601 writes them, other cells as they are."""
    return value.isoformat() if hasattr(value, "isoformat") else value
