"""Tables and paragraphs that fit the terminal: keys, names of files and numbers are never broken.

A table stands in columns where it fits. Where it does not, its last column goes on in further
lines if enough is left for it; else each row becomes a paragraph, its numbers with their names:

    key              where            fate     image.dark
    pets-000042-...  cats/000042.jpg  written  0.31

    pets-000042-...  cats/000042.jpg
      written  image.dark 0.31
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

WITHOUT_TERMINAL = 118
_LEAST = 40  # narrower, nothing could be read
_LAST_COLUMN = 28  # less is no place for a sentence
_GAP = "  "


def width() -> int:
    """Columns to write in: ``COLUMNS``, those of the terminal, or 118 where there is none."""
    return max(_LEAST, shutil.get_terminal_size((WITHOUT_TERMINAL, 24)).columns)


class Verbatim(str):
    """A line that people copy, as of a recipe: it stays one line, however long it is."""

    __slots__ = ()


@dataclass(slots=True)
class Table:
    """A table without lines. right: those of its columns that stand to the right, the numbers."""

    columns: Sequence[str]
    right: Sequence[str] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        """One more row, each cell in one line."""
        self.rows.append(tuple(" ".join(cell.split()) for cell in cells))

    def lines(self, columns: int) -> list[str]:
        """The lines of the table in so many columns."""
        rows = [tuple(self.columns), *self.rows]
        widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
        before_last = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        if before_last + widths[-1] <= columns:
            return [self._line(row, widths) for row in rows]
        last = columns - before_last
        if last >= _LAST_COLUMN and self.columns[-1] not in self.right:
            lines = []
            for row in rows:
                first, *others = _wrapped(row[-1], last)
                lines.append(self._line((*row[:-1], first), widths))
                lines += [" " * before_last + other for other in others]
            return lines
        return [line for row in self.rows for line in self._paragraph(row, columns)]

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = []
        for name, cell, wanted in zip(self.columns, row, widths, strict=True):
            space = " " * (wanted - cell_len(cell))
            cells.append(space + cell if name in self.right else cell + space)
        return _GAP.join(cells).rstrip()

    def _paragraph(self, row: Sequence[str], columns: int) -> list[str]:
        """A row in as many lines as it needs, those after the first indented."""
        lines = [""]
        for name, cell in zip(self.columns, row, strict=True):
            shown = f"{name} {cell}" if name in self.right else cell
            for place, piece in enumerate(_wrapped(shown, columns - len(_GAP))):
                together = lines[-1] + _GAP + piece if lines[-1].strip() else lines[-1] + piece
                if place or cell_len(together) > columns:
                    lines.append(_GAP + piece)
                else:
                    lines[-1] = together
        return lines


def decimals(value: float) -> str:
    """A score or a loss with three decimals; with two digits where these would say nothing.

    >>> decimals(0.91666), decimals(-0.0), decimals(-0.0000123)
    ('0.917', '0.000', '-1.2e-05')
    """
    return f"{value + 0.0:.3f}" if not value or abs(value) >= 0.0005 else f"{value:.2g}"


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table of these columns, without rows yet."""
    return Table(columns, right)


def render_text(*things: object, columns: int | None = None) -> str:
    """Tables and texts, one after the other, in so many columns, or those that there are."""
    columns = columns or width()
    lines: list[str] = []
    for thing in things:
        if isinstance(thing, Table):
            lines += thing.lines(columns)
        elif isinstance(thing, Verbatim):
            lines.append(thing)
        else:
            lines += _paragraphs(str(thing).splitlines() or [""], columns)
    return "\n".join(line.rstrip() for line in lines)


def _paragraphs(lines: Iterable[str], columns: int) -> list[str]:
    """Lines of a text, each broken between words where it is too long, under its own beginning."""
    result = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        first, *others = _wrapped(line.lstrip(), columns - len(indent))
        result += [indent + first, *(indent + _GAP + other for other in others)]
    return result


def _wrapped(text: str, columns: int) -> list[str]:
    """The text in lines that are broken between words only, and there as little as needed."""
    if cell_len(text) <= columns:
        return [text]
    return textwrap.wrap(
        text,
        columns - len(_GAP),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [""]
