"""JSON lines, one object on each line, or one JSON array of them, with the same mapping of columns
as csv.
"""

from __future__ import annotations

import codecs
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

import ijson

from ...schemas.contents import Kind
from ...schemas.errors import InputError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Record, make_key
from ..base import Beat, Range, Read, Seen
from ._columns import Columns, Mapper
from ._json import items
from ._table import LONGEST_LINE, UNPACKING_ERRORS, is_packed, refuse_other_files, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRange(Range):
    """Lines of a file; one range is the whole of it where nothing else is given.

    header: the names of the values, where they stand above the range.
    """

    header: tuple[str, ...] | None = None


_WHOLE = LineRange()


@dataclass(frozen=True, kw_only=True)
class Jsonl(Columns):
    """Objects of a JSON-lines file, of a JSON array, or rows of an array whose first one names the
    columns; nested values are reached as ``a.b``.

    A target that is a list in the file is a list in the record: annotators' answers, or several
    labels.
    """

    target_kind: ClassVar[Kind | None] = None

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        yield from self.read_range(root, name, tally, beat, _WHOLE, Seen())

    def ranges(self, root: Path, rows: int) -> list[LineRange]:
        file = self.table_file()
        refuse_other_files(root / file)
        return [] if is_packed(root / file) else _find_ranges(root / file, file, rows)

    def read_range(
        self, root: Path, name: str, tally: Counter[str], beat: Beat, part: Range, seen: Seen
    ) -> Iterator[Read]:
        assert isinstance(part, LineRange)
        file = self.table_file()
        mapper = Mapper(self, root, name, beat, seen=seen)
        refuse_other_files(root / file)
        try:
            with unpacked(root / file) as lines:
                for number, line in itertools.islice(json_documents(lines, file, part), part.rows):
                    tally["rows"] += 1
                    if isinstance(line, bytes):
                        yield _row(line, mapper, name, file, number)
                    else:
                        yield _mapped(line, mapper, name, file, number)
        except UNPACKING_ERRORS as error:
            raise InputError(
                f"{root / file}: the file cannot be read: {error}; check 'data' and 'path' in the"
                " recipe"
            ) from None
        if part.rows is None:
            yield from mapper.rest(file, tally)


def _find_ranges(path: Path, name: str, rows: int) -> list[LineRange]:
    """The lines in ranges that each hold a multiple of ``rows`` that are not blank, and a last one
    with the rest; none where the file is an array.
    """
    begins = [(0, 0)]  # (place, line above)
    with open(path, "rb") as file:
        beginning = _beginning(file, name)
        if beginning is None:
            return []
        filled = (number for number, line in _lines(file, name, beginning) if line.strip())
        for given, number in enumerate(filled, 1):
            if given % rows == 0:
                begins.append((file.tell(), number))
    header = beginning.header
    inner = [
        LineRange(start=place, above=above, rows=rows, header=header)
        for place, above in begins[:-1]
    ]
    place, above = begins[-1]
    return [*inner, LineRange(start=place, above=above, header=header)]


class _Beginning(NamedTuple):
    """Where the rows begin: the number of their first line, that line, and the header, if the line
    above it is one.
    """

    number: int
    line: bytes
    header: tuple[str, ...] | None


def json_documents(
    file: BinaryIO, name: str, part: LineRange = _WHOLE
) -> Iterator[tuple[int, object]]:
    """The lines of a range and of all after it that are not blank, by their numbers, or the values
    of the array that the file is by theirs. Arrays in place of objects are rows, and the first one
    names their values.
    """
    if part.start:
        file.seek(part.start)
        line = file.readline(LONGEST_LINE)
        beginning: _Beginning | None = _Beginning(part.above + 1, line, part.header)
    else:
        beginning = _beginning(file, name)
    if beginning is None:
        yield from _array(file, name)
        return
    for number, line in _lines(file, name, beginning):
        if not line.strip():
            continue
        if beginning.header is None:
            yield number, line
            continue
        try:
            yield number, _named(beginning.header, _parsed(line))
        except (ValueError, RecursionError):
            yield number, line  # which is refused as what it is


def _beginning(file: BinaryIO, name: str) -> _Beginning | None:
    """Where the rows of the file begin, or None where it is an array."""
    number = 1
    first = file.readline(LONGEST_LINE)
    while first and not first.strip():
        first = file.readline(LONGEST_LINE)
        number += 1
    start = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in first[:4]:
        raise InputError(
            f"{name}: is UTF-16, and JSON is exchanged in UTF-8 (RFC 8259); save it as UTF-8"
        )
    first = first[start:]
    if not first.lstrip().startswith(b"["):
        return _Beginning(number, first, None)
    row = json.loads(first) if _is_json(first) else []
    if not row or not all(isinstance(word, str) for word in row):
        return None
    return _Beginning(number + 1, file.readline(LONGEST_LINE), tuple(row))


def _lines(file: BinaryIO, name: str, beginning: _Beginning) -> Iterator[tuple[int, bytes]]:
    """The lines from the beginning on, by their numbers; InputError for one without an end."""
    number, line, _ = beginning
    while line:
        if len(line) >= LONGEST_LINE:
            raise InputError(
                f"{name}: line {number} has no end within {LONGEST_LINE:,} bytes; this is not"
                " JSON lines"
            )
        yield number, line
        line = file.readline(LONGEST_LINE)
        number += 1


def _named(header: Sequence[str], row: object) -> object:
    """A row's values by the names of the first row; what is no such row stays as it is."""
    return (
        dict(zip(header, row, strict=False))
        if isinstance(row, list) and len(row) <= len(header)
        else row
    )


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _array(file: BinaryIO, name: str) -> Iterator[tuple[int, object]]:
    header: list[str] | None = None
    try:
        for number, value in enumerate(items(file, "item"), 1):
            if isinstance(value, list) and header is None:
                header = [str(cell) for cell in value]
            else:
                yield number, value if header is None else _named(header, value)
    except ijson.JSONError as error:
        raise InputError(
            f"{name}: the JSON array is broken: {' '.join(str(error).split())[:160]}"
        ) from None


def _row(line: bytes, mapper: Mapper, name: str, file: str, number: int) -> Row:
    try:
        value = _parsed(line)
    except (ValueError, RecursionError) as error:
        return _broken(name, file, number, line[:60].decode(errors="replace"), f"not JSON: {error}")
    return _mapped(value, mapper, name, file, number)


def _parsed(line: bytes) -> object:
    """The value of a line; ValueError where it is none, or has half a surrogate pair, which is no
    text.
    """
    value = json.loads(line)
    if b"\\ud" in line.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _mapped(value: object, mapper: Mapper, name: str, file: str, number: int) -> Row:
    if not isinstance(value, dict):
        return _broken(name, file, number, type(value).__name__, "is no object")
    return mapper.row(flatten(value), file, number)


def _broken(name: str, file: str, number: int, found: str, message: str) -> Row:
    key = make_key(name, f"row-{number}")
    return Row(
        Record(key, key, Origin(name, file, number)),
        Fault("broken_json", found, "a JSON object", message),
    )


def flatten(value: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested objects as ``a.b`` keys; lists stay as they are.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    flat: dict[str, object] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat |= flatten(inner, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat
