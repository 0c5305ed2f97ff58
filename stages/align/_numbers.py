"""Numbers by key from a table of one's own: CSV, TSV and their like, Parquet or Arrow."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from ...schemas.errors import InputError, nearest

_DELIMITERS = ",\t;|"
_PARQUET, _ARROW = b"PAR1", b"ARROW1"


def columns_of(path: Path) -> list[str]:
    """The names of a table's columns; InputError where it is no table."""
    form = _form(path)
    if form:
        return list(_dataset(path, form).schema.names)
    return _header(path)[0]


def numbers_by_key(
    path: Path, key: str, columns: Mapping[str, str]
) -> tuple[dict[str, dict[str, float]], int]:
    """Key -> the numbers of its row by the names in ``columns`` (name -> column), without those
    that are not there (empty, null, NaN); and how many rows have no key.

    InputError for a column that is not there, a key that stands in several rows, and texts among
    numbers.
    """
    there = columns_of(path)
    for column in (key, *columns.values()):
        if column not in there:
            raise InputError(f"{path}: has no column {column!r}{nearest(column, there)}")
    wanted = list(dict.fromkeys([key, *columns.values()]))
    form = _form(path)
    first_row = 1 if form else 2  # the header of a CSV is row 1
    cells = _cells(_dataset(path, form), wanted) if form else _read_csv(path, wanted)
    keys = cells[key]
    counts = Counter(word for word in keys if word)
    twice = [word for word, count in counts.items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: {len(twice):,} values of {key!r} stand in several rows, the first:"
            f" {twice[0]!r} in {counts[twice[0]]:,}; wanted one row for each"
        )
    values = {
        name: _numbers(path, column, cells[column], first_row) for name, column in columns.items()
    }
    rows = {
        word: {name: own[row] for name, own in values.items() if not math.isnan(own[row])}
        for row, word in enumerate(keys)
        if word
    }
    return rows, sum(not word for word in keys)


def _form(path: Path) -> str:
    """How a table that is no text is written; empty for text."""
    try:
        with open(path, "rb") as file:
            start = file.read(6)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such table") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return "parquet" if start.startswith(_PARQUET) else "ipc" if start == _ARROW else ""


def _dataset(path: Path, form: str) -> pa.dataset.Dataset:
    try:
        return pa.dataset.dataset(path, format=form)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: the table cannot be read: {str(error)[:200]}") from None


def _cells(dataset: pa.dataset.Dataset, wanted: Sequence[str]) -> dict[str, list[str | None]]:
    """The values of columns as texts."""
    table = dataset.to_table(columns=list(wanted))
    cells = {}
    for name in wanted:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        if pa.types.is_boolean(column.type):
            column = pc.cast(column, pa.int8())
        cells[name] = [None if value is None else str(value) for value in column.to_pylist()]
    return cells


def _header(path: Path) -> tuple[list[str], str]:
    """The names in a text's first line, and what stands between them: of the usual signs the one
    that it has most of.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = next(iter(file), "")
            delimiter = max(_DELIMITERS, key=line.count)
            file.seek(0)
            names = next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: wanted a table in UTF-8, Parquet or Arrow: {error}") from None
    if not any(names):
        raise InputError(f"{path}: the table is empty; wanted names of columns in its first row")
    return names, delimiter


def _read_csv(path: Path, wanted: Sequence[str]) -> dict[str, list[str | None]]:
    names, delimiter = _header(path)
    cells: dict[str, list[str | None]] = {name: [] for name in wanted}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        next(rows, None)
        try:
            for row in rows:
                own = dict(zip(names, row, strict=False))
                for name in wanted:
                    cells[name].append(own.get(name))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: row {rows.line_num}: cannot be read: {error}") from None
    return cells


def _numbers(path: Path, column: str, cells: Sequence[str | None], first_row: int) -> list[float]:
    """The cells as numbers, NaN where there is nothing."""
    values, texts = [], []
    for row, cell in enumerate(cells):
        word = (cell or "").strip()
        try:
            # Python reads 1_000, and nobody else does
            number = float(word.replace("_", "?")) if word else math.nan
        except ValueError:
            number = math.inf
        if math.isinf(number):
            texts.append((row + first_row, word))
        values.append(number)
    if texts:
        row, word = texts[0]
        raise InputError(
            f"{path}: column {column!r} has {len(texts):,} cells that are no finite numbers, the"
            f" first: {word[:40]!r} in row {row}; wanted numbers, or nothing where none is known"
        )
    return values
