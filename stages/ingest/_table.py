"""Rows of delimited text as they really lie on disk: any encoding, delimiter, quoting and line ending, found or given."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...schemas.errors import InputError

LONGEST_LINE = 16 << 20
_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 2000
_SAMPLE_LETTERS = 1 << 20
_MOST_LINES_OF_ROW = 20_000
csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written. ``header`` gives its column names; ``has_header`` says whether they are its first row."""

    encoding: str
    delimiter: str
    quoted: bool
    header: tuple[str, ...]
    has_header: bool


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number (header = 1), its cells by column name, cells beyond the header, and what is wrong with it."""

    number: int
    cells: dict[str, str]
    extra: tuple[str, ...] = ()
    fault: str = ""
    found: str = ""


def find_encoding(path: Path) -> str:
    """``utf-8-sig``, ``utf-16``, ``utf-8`` or ``cp1252``, from the byte order mark or from all bytes of the file.

    A file with no more than one broken sequence in ten non-ASCII ones is UTF-8 with damage; its bad rows are rejected one by one.
    """
    with open(path, "rb") as file:
        head = file.read(4)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        bad = good = 0
        while piece := file.read(1 << 20):
            text = decoder.decode(piece)
            if not text.isascii():
                broken = text.count("�")
                bad += broken
                good += sum(1 for letter in text if letter > "\x7f") - broken
    if bad == 0:
        return "utf-8"
    return "utf-8" if bad * 9 <= good else "cp1252"


def find_dialect(
    path: Path, encoding: str | None = None, delimiter: str | None = None, header: bool | list[str] | None = None, quoted: bool | None = None
) -> Dialect:
    """The dialect of a table, what is given taken as it is and the rest found from its first rows."""
    try:
        encoding = encoding or find_encoding(path)
        with open(path, encoding=encoding, errors="replace", newline="") as file:
            lines = _sample(_lines(file, path))
            whole = not file.read(1)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such table; check 'data' and 'path' in the recipe") from None
    except IsADirectoryError:
        raise InputError(f"{path}: wanted a table, found a folder") from None
    except (OSError, LookupError) as error:
        raise InputError(f"{path}: the table cannot be read: {error}") from None
    if not lines or not "".join(lines).strip():
        raise InputError(f"{path}: the table is empty")
    choices = [(mark, quote) for mark in ([delimiter] if delimiter else _DELIMITERS) for quote in ([quoted] if quoted is not None else [True, False])]
    scores = [(_score(lines, mark, quote, whole), -position) for position, (mark, quote) in enumerate(choices)]
    mark, quote = choices[-max(scores)[1]]
    first = next(csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE))
    if isinstance(header, list):
        return Dialect(encoding, mark, quote, tuple(header), has_header=False)
    has_header = header if header is not None else _looks_like_header(first)
    names = _distinct(first) if has_header else tuple(f"column_{number}" for number in range(1, len(first) + 1))
    return Dialect(encoding, mark, quote, names, has_header)


def _distinct(cells: list[str]) -> tuple[str, ...]:
    """The names of a header; one that stands there again gets the first number that is free: ``a``, ``a_2``."""
    given = [cell.strip() for cell in cells]
    names: list[str] = []
    for cell in given:
        free = (f"{cell}_{number}" for number in itertools.count(2))
        names.append(next(name for name in free if name not in names and name not in given) if cell and cell in names else cell)
    return tuple(names)


def _sample(lines: Iterator[str]) -> list[str]:
    """The first lines of a table, enough to hold some rows even where quoted cells run over many lines."""
    found: list[str] = []
    letters = 0
    for line in lines:
        found.append(line)
        letters += len(line)
        if len(found) >= _SAMPLE_LINES or letters >= _SAMPLE_LETTERS:
            break
    return found


def _score(lines: list[str], delimiter: str, quoted: bool, whole: bool) -> tuple[float, int]:
    """Share of the sample's rows that are as wide as most of them (0 where there is one column), and that width."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=False))
    except csv.Error:
        rows = []
    if not whole:
        rows = rows[:-1]
    widths = [len(row) for row in rows if row]
    if not widths:
        return (0.0, 0)
    usual = max(set(widths), key=widths.count)
    if usual == 1:
        return (0.001, 1)
    return (round(widths.count(usual) / len(widths), 2), usual)


def _looks_like_header(first: list[str]) -> bool:
    """A header's named cells are short, distinct and no numbers."""
    named = [cell.strip() for cell in first if cell.strip()]
    return bool(named) and len(set(named)) == len(named) and all(len(cell) <= 40 and not _is_number(cell) for cell in named)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(file: io.TextIOBase, path: Path) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) >= LONGEST_LINE:
            raise InputError(f"{path}: line {number} has no end within {LONGEST_LINE:,} characters; this is not delimited text")
        yield line


class _Lines:
    """Lines that can be given back; ``taken`` are those taken since it was last cleared."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._again: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        return line

    def give_back(self, lines: list[str]) -> None:
        """Put lines before those that are still to come."""
        self._again.extendleft(reversed(lines))


def _reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE, strict=dialect.quoted)


def read_rows(path: Path, dialect: Dialect) -> Iterator[TableRow]:
    """Every row of the table; a row of the wrong width or with broken text has ``fault`` set and is for the caller to count."""
    width = len(dialect.header)
    names = [name for name in dialect.header if name]
    with open(path, encoding=dialect.encoding, errors="replace", newline="") as file:
        lines = _Lines(_lines(file, path))
        reader = _reader(lines, dialect)
        number = 0
        while True:
            lines.taken.clear()
            try:
                cells = next(reader)
                if len(lines.taken) > _MOST_LINES_OF_ROW:
                    raise csv.Error(f"a quoted cell runs over more than {_MOST_LINES_OF_ROW:,} lines")
            except StopIteration:
                return
            except csv.Error as error:
                # A quote that was never closed swallows the rows after it: the first line is the bad row, the others are read again.
                number += 1
                first, *rest = lines.taken or [""]
                yield TableRow(number, {}, fault="broken_quotes", found=f"{first.strip()[:60]} ({error})")
                lines.give_back(rest)
                reader = _reader(lines, dialect)
                continue
            number += 1
            if number == 1 and dialect.has_header:
                continue
            if not any(cells):
                if cells or width == 1:
                    yield TableRow(number, {}, fault="empty_row")
                continue
            named = {name: cell for name, cell in zip(dialect.header, cells, strict=False) if name}
            extra = tuple(cell for name, cell in zip(dialect.header, cells, strict=False) if not name) + tuple(cells[width:])
            fault = found = ""
            if len(cells) < width and len(cells) < _last_named(dialect.header):
                fault, found = "missing_columns", f"{len(cells)} of {width} columns"
            elif any("�" in cell for cell in cells) and dialect.encoding.startswith("utf"):
                fault, found = "invalid_utf8", next(cell for cell in cells if "�" in cell)[:60]
            for name in names:
                named.setdefault(name, "")
            yield TableRow(number, named, extra, fault, found)


def _last_named(header: tuple[str, ...]) -> int:
    return max((position + 1 for position, name in enumerate(header) if name), default=0)
