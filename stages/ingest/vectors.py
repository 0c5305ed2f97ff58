"""Vectors that somebody made already: rows of a matrix, lists in a table, or a column for each
dimension.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ...schemas.contents import Contents, Kind
from ...schemas.errors import InputError, nearest
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Part, Record, make_key
from .. import template
from ..base import Beat, Noted, Read
from ..media.inside import BytesTable, CellPlace, holds_vectors, open_table
from ..media.refusing import one_line
from ..media.values import values_step
from ._columns import Columns, Mapper
from ._files import join
from ._places import Places, options_with, own_medium
from ._table import find_dialect, read_rows
from .jsonl import flatten

_VECTOR = "__vector__"
_ROWS = 1024
_MATRICES = (".npy", ".npz")
_TABLES = (".parquet", ".arrow", ".feather")
_KEYS = ("keys", "key", "ids", "id", "names", "files")


@dataclass(frozen=True, kw_only=True)
class VectorTable(Columns):
    """A part of vectors for each row of a file, with the same mapping as csv where the file has
    other columns. ``features: {PART: {features.vector: {size: D}}}`` and ``feature: true`` have a
    model read them as it reads cached features.

    path: a .npy (a matrix ``[N, D]``), a .npz (a matrix, and what else has N rows as columns), a
        Parquet or Arrow file, a csv or tsv.
    part: the name of the part.
    column: the matrix of a .npz, or the column of lists; the only one where it is not given.
    columns: the columns that are a dimension each, in this order; ``*`` and ``?`` stand for
        letters, and then the order is that of the file (``[emb_*]``).
    keys: a file of text below ``base`` with a key for each row of a .npy, one a line. The id is
        then the key, as it is where a .npz has an array called ``keys``, ``ids`` or ``names``.

    A row whose vector is not finite, or of another length than the first, is a reject.
    """

    target_kind: ClassVar[Kind | None] = None

    part: str = "vector"
    column: str | None = None
    columns: list[str] | None = None
    keys: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.column is not None and self.columns is not None:
            raise ValueError("columns: wanted 'column' or 'columns', found both")
        if self.part in {*self.texts(), *self.media, *self.table, *self.cues}:
            raise ValueError(f"part: {self.part!r} comes from another option already")

    def paths(self) -> list[str]:
        keys = [join(self.base, self.keys)] if self.keys else []
        return [*super().paths(), *keys]

    def contents(self) -> Contents:
        told = super().contents()
        return replace(told, parts={self.part: "vector", **told.parts})

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        file = self.table_file()
        reader = self._reader(root, file)
        settled = self._settled(reader)
        replace(self, id=settled.id).check(reader.names, file)
        mapper = Mapper(settled, root, name, beat, checked=True)
        size = 0
        for number, values, vector in reader.rows():
            tally["rows"] += 1
            fault = _fault(vector, size)
            if fault is not None:
                key = make_key(name, f"row-{number}")
                yield Row(Record(key, key, Origin(name, file, number)), fault)
                continue
            size = size if vector is None else len(vector)
            row = mapper.row(values, file, number)
            if reader.columns and row.fault is None:
                row.record = _with_values(row.record, self.part, vector, reader.columns)
            yield row
        yield Noted(f"vectors of {size:,} numbers: features.vector with size: {size}")
        yield from mapper.rest(file, tally)

    def _reader(self, root: Path, file: str) -> _Reader:
        """How the vectors of the file are read; InputError where there are none."""
        path = root / file
        if not path.is_file():
            raise InputError(
                f"{path}: there is no such file; check 'data' and 'path' in the recipe"
            )
        below = self.path
        if path.suffix.lower() not in (*_MATRICES, *_TABLES):
            dialect = find_dialect(path)
            names = [name for name in dialect.header if name]
            columns = self._dimensions(names, file)
            rows = ((row.number, row.cells) for row in read_rows(path, dialect))
            return _OfColumns(names, columns, rows)
        try:
            table = open_table(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read: {one_line(error)}") from None
        if self.columns is not None:
            columns = self._dimensions(table.schema.names, file)
            return _OfColumns(list(table.schema.names), columns, _rows_of(path, table))
        column = self._column(table.schema, path)
        keys = self._keys(root, table.starts[-1]) if self.keys else None
        return _OfLists(path, below, table, column, keys)

    def _column(self, schema: pa.Schema, path: Path) -> str:
        found = [field.name for field in schema if holds_vectors(field.type)]
        if self.column is not None:
            if self.column not in found:
                raise InputError(
                    f"{path}: column: wanted a matrix, or a column of lists of numbers; there is no"
                    f" such {self.column!r}{nearest(self.column, found)}"
                )
            return self.column
        if len(found) != 1:
            raise InputError(
                f"{path}: wanted one matrix [N, D] or one column of lists of numbers, found"
                f" {', '.join(found) or 'none'}; name it with column, or columns that are a"
                " dimension each with columns"
            )
        only: str = found[0]
        return only

    def _dimensions(self, names: Sequence[str], file: str) -> tuple[str, ...]:
        """The columns that are a dimension each."""
        if not self.columns:
            raise InputError(
                f"{file}: wanted the columns that are a dimension each: columns: [emb_*]; the table"
                f" has {', '.join(names[:30])}"
            )
        found: list[str] = []
        for pattern in self.columns:
            own = [name for name in names if name == pattern]
            own = own or [name for name in names if fnmatch.fnmatchcase(name, pattern)]
            if not own:
                raise InputError(
                    f"{file}: columns: no column is called {pattern!r}{nearest(pattern, names)}"
                )
            found += [name for name in own if name not in found]
        return tuple(found)

    def _keys(self, root: Path, rows: int) -> list[str]:
        path = root / join(self.base, self.keys or "")
        try:
            keys = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: keys: cannot be read: {one_line(error)}") from None
        if len(keys) != rows:
            raise InputError(
                f"{path}: keys: wanted a line for each of {rows:,} vectors, found {len(keys):,}"
            )
        return keys

    def _settled(self, reader: _Reader) -> Places:
        """The mapping with the vector among its media, and an id where the file has keys."""
        own = {} if reader.columns else {self.part: own_medium(_VECTOR, "vector")}
        keys = [name for name in _KEYS if name in reader.names]
        of_matrix = Path(self.path).suffix.lower() in _MATRICES
        identity = "{" + keys[0] + "}" if self.id is None and of_matrix and keys else self.id
        changes = {"media": {**own, **self.media}, "id": identity}
        # as the dataclass has it: these are its own options
        return Places(**options_with(self, changes))  # type: ignore[arg-type]


class _Reader:
    """The rows of a file. names: what a mapping can use. columns: those that are a dimension each,
    where the vector is made of them.
    """

    names: list[str]
    columns: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[int, Mapping[str, object], np.ndarray | None]]:
        """Number, values by column, and vector ``[D]`` of each row."""
        raise NotImplementedError


class _OfLists(_Reader):
    """Vectors that lie in the cells of one column, or the rows of a matrix."""

    def __init__(
        self, path: Path, below: str, table: BytesTable, column: str, keys: list[str] | None
    ) -> None:
        self._path, self._below, self._table = path, below, table
        self._column, self._keys = column, keys
        others = [field.name for field in table.schema if not holds_vectors(field.type)]
        self._others = others
        self.names = [*others, *(["keys"] if keys is not None else [])]

    def rows(self) -> Iterator[tuple[int, Mapping[str, object], np.ndarray | None]]:
        for group, first in enumerate(self._table.starts[:-1]):
            column = self._table.group(group, self._column)
            others = {name: self._table.group(group, name) for name in self._others}
            for start in range(0, len(column), _ROWS):
                rows = {name: own.slice(start, _ROWS).to_pylist() for name, own in others.items()}
                for place, cell in enumerate(column.slice(start, _ROWS)):
                    row = first + start + place
                    values: dict[str, object] = {name: own[place] for name, own in rows.items()}
                    if self._keys is not None:
                        values["keys"] = self._keys[row]
                    vector = None
                    if cell.is_valid:
                        vector = cell.values.to_numpy(zero_copy_only=False)
                        place_of = CellPlace(self._below, row, self._column)
                        values[_VECTOR] = place_of.uri(f"{row}.npy")
                    yield row + 1, flatten(values), vector


class _OfColumns(_Reader):
    """Vectors of which each number has a column of its own."""

    def __init__(
        self,
        names: list[str],
        columns: tuple[str, ...],
        rows: Iterator[tuple[int, Mapping[str, object]]],
    ) -> None:
        self.names, self.columns, self._rows = names, columns, rows

    def rows(self) -> Iterator[tuple[int, Mapping[str, object], np.ndarray | None]]:
        for number, values in self._rows:
            cells = [values.get(name) for name in self.columns]
            if all(map(template.is_absent, cells)):
                yield number, values, None
                continue
            yield number, values, np.array([_number(cell) for cell in cells])


def _number(cell: object) -> float:
    try:
        return float(str(cell)) if not template.is_absent(cell) else np.nan
    except ValueError:
        return np.nan


def _rows_of(path: Path, table: BytesTable) -> Iterator[tuple[int, Mapping[str, object]]]:
    number = 0
    for group in range(len(table.starts) - 1):
        whole = pa.table({name: table.group(group, name) for name in table.schema.names})
        for batch in whole.to_batches(max_chunksize=_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield number, flatten(value)


def _fault(vector: np.ndarray | None, size: int) -> Fault | None:
    """Why a vector is none that a model could read beside the others."""
    if vector is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = int((~np.isfinite(np.asarray(vector).astype(np.float32))).sum())
    if wrong:
        return Fault(
            "vector_not_finite",
            wrong,
            0,
            f"{wrong:,} of its {len(vector):,} numbers are absent, no numbers, or not finite",
        )
    if not len(vector) or (size and len(vector) != size):
        return Fault("vector_size", len(vector), size or None, "has another length than the first")
    return None


def _with_values(
    record: Record, part: str, vector: np.ndarray | None, columns: Sequence[str]
) -> Record:
    """The record with a vector that stands in it, for no file holds it as a whole."""
    if vector is None:
        return replace(record, absent={**record.absent, part: "absent"})
    step = values_step(np.asarray(vector)[None], columns)
    return record.with_part(part, Part("vector", steps=(step,)))
