"""Rows of delimited text as they really lie on disk: any encoding, delimiter, quoting and line
ending, found or given.
"""

from __future__ import annotations

import csv
import importlib
import io
import itertools
import lzma
import re
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ...schemas.errors import InputError
from ..base import Range
from ..modality import suffixes
from ._encoding import BROKEN, BROKEN_BYTES, find_encoding, spelled_out

LONGEST_LINE = 16 << 20
_DELIMITERS = ",;\t|"
_BAD_SHARE = 0.01
_FEW_BAD = 20
_MOST_TITLES = 20
_HEADER_ROWS = 200
_SEPARATOR = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
_NO_TEXT = {  # first bytes -> what the file is, and what to do
    b"PAR1": ("Parquet", "use type: parquet"),
    b"ARROW1": ("an Arrow file", "use type: parquet, which reads these too"),
    b"FEA1": ("a Feather file of version 1", "write it again as Parquet"),
    b"PK\x03\x04": ("an Excel workbook or another zip file", "use type: xlsx, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "save it as .xlsx or as csv"),
    b"\x28\xb5\x2f\xfd": ("Zstandard data", "unpack it first"),
    b"SQLite f": ("an SQLite database", "export the table as csv"),
    b"%PDF": ("a PDF", "wanted a table"),
    b"\x89HDF": ("an HDF5 file", "export the table as csv or Parquet"),
}
_SAMPLE_LINES = 2000
_SAMPLE_LETTERS = 1 << 20
_MOST_LINES_OF_ROW = 20_000
csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written. ``header`` gives its column names; ``has_header`` says whether they
    are its first row, below ``skipped_lines``.
    """

    encoding: str
    delimiter: str
    quoted: bool
    header: tuple[str, ...]
    has_header: bool
    skipped_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRange(Range):
    """Rows of a table; one range is the whole of it where nothing else is given.

    heading: the header as it is written, where it stands above the range.
    """

    dialect: Dialect
    heading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number (header = 1), its cells by column name, cells beyond the header, and what
    is wrong with it.
    """

    number: int
    cells: dict[str, str]
    extra: tuple[str, ...] = ()
    fault: str = ""
    found: str = ""


def find_dialect(
    path: Path,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | list[str] | None = None,
    quoted: bool | None = None,
) -> Dialect:
    """The dialect of a table, what is given taken as it is and the rest found from its first rows.

    A first line ``sep=;``, which Excel reads, says the delimiter. Lines above the header that hold
    one cell where the table has several are its title. A first column without a name holds row
    numbers, as pandas writes them.
    """
    refuse_other_files(path)
    try:
        with unpacked(path) as data:
            # of all bytes: the first foreign letter may stand in the last row
            encoding = encoding or find_encoding(data)
        with _opened(path, encoding) as file:
            lines = _sample(_lines(file, path))
            # a sample that was cut may end inside of a row, which then tells nothing
            whole = not file.read(1)
    except IsADirectoryError:
        raise InputError(f"{path}: wanted a table, found a folder") from None
    except (*UNPACKING_ERRORS, LookupError, UnicodeError) as error:
        raise InputError(f"{path}: the table cannot be read: {error}") from None
    if not lines or not "".join(lines).strip():
        raise InputError(f"{path}: the table is empty")
    skipped = 0
    told = _SEPARATOR.fullmatch(lines[0])
    if told:
        lines, skipped, delimiter = lines[1:], 1, delimiter or told.group(1)
    mark, quote = _delimiter_and_quotes(lines, delimiter, quoted, whole)
    if header is None or header is True:
        title = _title_rows(lines, mark, quote, whole)
        lines, skipped = lines[title:], skipped + title
    rows = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE)
    first = next(rows, [])
    if isinstance(header, list):
        return Dialect(encoding, mark, quote, tuple(header), False, skipped)
    has_header = header if header is not None else _looks_like_header(first, rows)
    names = (
        distinct(first)
        if has_header
        else tuple(f"column_{number}" for number in range(1, len(first) + 1))
    )
    return Dialect(encoding, mark, quote, names, has_header, skipped)


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    """The text of a table, unpacked where it is packed (.gz, .bz2, .xz)."""
    # newline="": only csv can tell the ends of rows from those within quotes
    return io.TextIOWrapper(unpacked(path), encoding=encoding, errors=BROKEN_BYTES, newline="")


def unpacked(path: Path) -> BinaryIO:
    """The bytes of a file, or of what is packed in it by gzip, bzip2 or xz."""
    package = _package(path)
    if package is None:
        return open(path, "rb")
    return cast(BinaryIO, importlib.import_module(package).open(path, "rb"))


def is_packed(path: Path) -> bool:
    """Whether :func:`unpacked` gives other bytes than the file's own."""
    return _package(path) is not None


def _package(path: Path) -> str | None:
    """The package of Python that unpacks a file."""
    with open(path, "rb") as file:
        head = file.read(6)
    return next((package for magic, package in _PACKED.items() if head.startswith(magic)), None)


def refuse_other_files(path: Path) -> None:
    """InputError where a file is no text: its first bytes tell better than its ending."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such table; check 'data' and 'path' in the recipe"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path}: wanted a table, found a folder") from None
    except OSError as error:
        raise InputError(f"{path}: the table cannot be read: {error.strerror}") from None
    for magic, (what, instead) in _NO_TEXT.items():
        if head.startswith(magic):
            raise InputError(f"{path}: is {what}, not text; {instead}")


def _delimiter_and_quotes(
    lines: list[str], delimiter: str | None, quoted: bool | None, whole: bool
) -> tuple[str, bool]:
    """The pair under which most rows are of one width.

    Where quotes parse, the reading without them is no rival: it is the wider one where quoted cells
    hold the delimiter, and wrong. Where most of them do not, they are letters if rows are as wide
    without them.
    """
    best, pair = (-1.0, 0), (delimiter or ",", quoted if quoted is not None else True)
    for mark in [delimiter] if delimiter else _DELIMITERS:
        if quoted is not None:
            choices = [quoted]
        else:
            good, bad = _rows_in_quotes(lines, mark, whole)
            does_parse = good > 0 and bad <= good * _BAD_SHARE
            are_letters = bad > max(good, _BAD_SHARE * len(lines))
            choices = [True] if does_parse else [False, True] if are_letters else [True, False]
        for quote in choices:
            score = _score(lines, mark, quote, whole)
            if score > best:
                best, pair = score, (mark, quote)
    return pair


def _rows_in_quotes(lines: list[str], mark: str, whole: bool) -> tuple[int, int]:
    """How many rows have cells put in quotes as the standard (RFC 4180) has it, and how many have
    quotes that are no such marks.
    """
    quoted = re.compile(rf'(?:^|{re.escape(mark)})"')
    source = _Lines(iter(lines))
    good = bad = 0
    reader = csv.reader(source, delimiter=mark, strict=True)
    while bad <= _FEW_BAD + good:
        source.taken.clear()
        try:
            next(reader)
            good += any(quoted.search(line) for line in source.taken)
        except StopIteration:
            return good, bad
        except csv.Error:
            if not whole and source.is_empty():
                return good, bad  # the sample ends inside of a row
            bad += 1
            # a bad row may have swallowed good ones: all but its first line are read again
            source.give_back(source.taken[1:])
            reader = csv.reader(source, delimiter=mark, strict=True)
    return good, bad


def _title_rows(lines: list[str], mark: str, quote: bool, whole: bool) -> int:
    """How many lines above the header hold at most one cell, where the table is wider."""
    usual = _score(lines, mark, quote, whole)[1]
    rows = csv.reader(
        lines[:_MOST_TITLES], delimiter=mark, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    )
    wide = (
        number for number, row in enumerate(rows) if len([cell for cell in row if cell.strip()]) > 1
    )
    return next(wide, 0) if usual > 1 else 0


def distinct(cells: list[str]) -> tuple[str, ...]:
    """The names of a header; one that stands there again gets the first number that is free: ``a``,
    ``a_2``.
    """
    stripped = [cell.strip() for cell in cells]
    taken, numbers, names = set(stripped), dict.fromkeys(stripped, 2), []
    seen: set[str] = set()
    for cell in stripped:
        name = cell
        if cell and cell in seen:
            # another column may be called so already
            while (name := f"{cell}_{numbers[cell]}") in taken:
                numbers[cell] += 1
            taken.add(name)
        seen.add(cell)
        names.append(name)
    return tuple(names)


def _sample(lines: Iterator[str]) -> list[str]:
    """The first lines of a table, enough to hold some rows even where quoted cells run over many
    lines.
    """
    sample: list[str] = []
    letters = 0
    for line in lines:
        sample.append(line)
        letters += len(line)
        if len(sample) >= _SAMPLE_LINES or letters >= _SAMPLE_LETTERS:
            break
    return sample


def _score(lines: list[str], delimiter: str, quoted: bool, whole: bool) -> tuple[float, int]:
    """Share of the sample's rows that are as wide as most of them (0 where there is one column),
    and that width.
    """
    try:
        rows = list(
            csv.reader(
                lines,
                delimiter=delimiter,
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                strict=False,
            )
        )
    except csv.Error:
        rows = []
    if not whole:
        rows = rows[:-1]
    widths = Counter(len(row) for row in rows if row)
    if not widths:
        return (0.0, 0)
    usual, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    # one column is what any delimiter makes that does not occur: little, and more than nothing
    return (0.001, 1) if usual == 1 else (count / widths.total(), usual)


def _looks_like_header(first: list[str], rows: Iterator[list[str]]) -> bool:
    """A header's named cells are short, no numbers, no names of files, and distinct; or none of
    them stands in its column again, where columns of numbers or of few values show that it would.
    """
    named = [cell.strip() for cell in first if cell.strip()]
    if not named or any(
        len(cell) > 40 or _is_number(cell) or _names_a_medium(cell) for cell in named
    ):
        return False
    if len(set(named)) == len(named):
        return True
    others = list(itertools.islice(_whole_rows(rows, len(first)), _HEADER_ROWS))
    columns = [[cell.strip() for cell in column] for column in zip(*others, strict=True)]
    telling = [
        (title.strip(), column)
        for title, column in zip(first, columns, strict=False)
        if title.strip() and (all(map(_is_number, column)) or len(set(column)) <= len(column) / 2)
    ]
    return bool(telling) and not any(title in column for title, column in telling)


def _names_a_medium(cell: str) -> bool:
    """Whether it is the name of a file of media, perhaps with the number of a caption behind it
    (``a.jpg#0``, as Flickr8k has it).
    """
    file = cell.rpartition("#")[0] or cell
    return " " not in file and file.lower().endswith(suffixes(["image", "audio", "video"]))


def _whole_rows(rows: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    try:
        yield from (row for row in rows if len(row) == width)
    except csv.Error:
        return


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(file: io.TextIOBase, path: Path, from_start: bool = True) -> Iterator[str]:
    number = 0
    try:
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) >= LONGEST_LINE:
                raise InputError(
                    f"{path}: line {number} has no end within {LONGEST_LINE:,} characters; this"
                    " is not delimited text"
                )
            # where the recipe says utf-8, the mark is still a letter of the first cell
            yield line.removeprefix("\ufeff") if number == 1 and from_start else line
    except UNPACKING_ERRORS as error:
        raise InputError(
            f"{path}: cannot be unpacked behind line {number}: {error}; fetch the file again"
        ) from None


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

    def is_empty(self) -> bool:
        """Whether nothing is left to take."""
        for line in self._source:
            self._again.append(line)
            return False
        return not self._again

    def has_given_back(self) -> bool:
        """Whether lines that were given back are still to come."""
        return bool(self._again)

    def give_back(self, lines: list[str]) -> None:
        """Put lines before those that are still to come."""
        self._again.extendleft(reversed(lines))


def _reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        # otherwise what follows a closing quote is put to its cell, and nobody is told
        strict=dialect.quoted,
    )


def find_ranges(path: Path, dialect: Dialect, rows: int) -> list[TableRange]:
    """The table in ranges that each hold a multiple of ``rows`` rows, and a last one with the rest;
    none where it is packed.

    Rows end where the reader of them says so, whatever quotes and encoding make of a line break. A
    range goes on where it says so at no place that can be found again.
    """
    if is_packed(path):
        return []
    width = len(dialect.header)
    heading: list[str] = []
    begins = [(0, 0, 0)]  # (place, row above, rows of the table before it)
    given = number = 0
    with _opened(path, dialect.encoding) as file:
        lines = _Lines(_lines(file, path))
        for number, cells in _split(lines, dialect, TableRange(dialect=dialect)):
            if not isinstance(cells, str) and _is_heading(number, dialect):
                heading = cells
            elif cells or width == 1:
                given += 1
                # lines that were given back to be read again have no place
                if given % rows == 0 and not lines.has_given_back():
                    place = _place(file)
                    if place is not None:
                        begins.append((place, number, given))
    ends = [given for _, _, given in begins[1:]]
    return [
        TableRange(
            start=place,
            above=above,
            rows=None if end is None else end - before,
            dialect=dialect,
            heading=tuple(heading),
        )
        for (place, above, before), end in zip(begins, [*ends, None], strict=True)
    ]


def _place(file: io.TextIOWrapper) -> int | None:
    """Where the next line begins, for ``seek``: the byte, and what the decoder knows there; None
    where that cannot be told.
    """
    try:
        return file.tell()
    # of an encoding with shifts its state may be more than a place can hold
    except (OSError, OverflowError):
        return None


def _split(
    lines: _Lines, dialect: Dialect, part: TableRange
) -> Iterator[tuple[int, list[str] | str]]:
    """Number and cells of every row of a range and of all after it, header and blank lines among
    them; in place of the cells what is wrong with their quotes.
    """
    number = part.above
    if part.start == 0:
        number = dialect.skipped_lines
        for _ in range(number):
            next(lines, None)
    reader = _reader(lines, dialect)
    while True:
        lines.taken.clear()
        number += 1
        try:
            cells = next(reader)
            # a quote that is closed much later makes one row of a whole table, and no error
            if len(lines.taken) > _MOST_LINES_OF_ROW:
                raise csv.Error(f"a quoted cell runs over more than {_MOST_LINES_OF_ROW:,} lines")
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that was never closed swallows the rows after it: the first line is the bad
            # row, the others are read again.
            first, *rest = lines.taken or [""]
            lines.give_back(rest)
            reader = _reader(lines, dialect)
            why = str(error).replace("\t", "\\t")
            if dialect.quoted:
                why += "; where quotes are letters, set quoted: false"
            yield number, f"{spelled_out(first).strip()[:60]} ({why})"
        else:
            yield number, cells


def _is_heading(number: int, dialect: Dialect) -> bool:
    return dialect.has_header and number == dialect.skipped_lines + 1


def read_rows(path: Path, dialect: Dialect, part: TableRange | None = None) -> Iterator[TableRow]:
    """Every row of the table, or of a range; a row of the wrong width or with broken text has
    ``fault`` set and is for the caller to count.
    """
    part = part or TableRange(dialect=dialect)
    with _opened(path, dialect.encoding) as file:
        if part.start:
            file.seek(part.start)
        lines = _Lines(_lines(file, path, part.start == 0))
        yield from itertools.islice(_rows(lines, dialect, part), part.rows)


def _rows(lines: _Lines, dialect: Dialect, part: TableRange) -> Iterator[TableRow]:
    width = len(dialect.header)
    names = [name for name in dialect.header if name]
    unnamed_first = bool(width > 1 and dialect.has_header and not dialect.header[0])
    heading = list(part.heading)
    for number, cells in _split(lines, dialect, part):
        if isinstance(cells, str):
            yield TableRow(number, {}, fault="broken_quotes", found=cells)
            continue
        if _is_heading(number, dialect):
            heading = cells
            continue
        if cells == heading and len(cells) > 1:
            yield TableRow(
                number, {}, fault="repeated_header", found="the names of the columns once more"
            )
            continue
        if not any(cells):
            # a blank line is no row, unless a row is a single cell
            if cells or width == 1:
                yield TableRow(number, {}, fault="empty_row")
            continue
        named = {name: cell for name, cell in zip(dialect.header, cells, strict=False) if name}
        unnamed = [cell for name, cell in zip(dialect.header, cells, strict=False) if not name]
        extra = (*unnamed[unnamed_first:], *cells[width:])
        fault = detail = ""
        if len(cells) < width and len(cells) < _last_named(dialect.header):
            fault, detail = "missing_columns", f"{len(cells)} of {width} columns"
        elif any(BROKEN in cell for cell in cells):
            rule = "invalid_utf8" if dialect.encoding.startswith("utf") else "invalid_bytes"
            fault, detail = (
                rule,
                spelled_out(next(cell for cell in cells if BROKEN in cell))[:60],
            )
        for name in names:
            named.setdefault(name, "")
        yield TableRow(number, named, extra, fault, detail)


def _last_named(header: tuple[str, ...]) -> int:
    return max((position + 1 for position, name in enumerate(header) if name), default=0)
