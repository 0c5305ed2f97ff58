"""Media that lie inside of another file, and are read where they lie: members of a tar, cells of a
table, rows of a matrix.

    shards/a.tar/1536+20480/000123.jpg           bytes [1536, 22016) of the tar
    data/train.parquet/17:image.bytes/cat.jpg    row 17 of the column image.bytes, counted from 0
    clip.npz/17:vectors/17.npy                   row 17 of the matrix vectors

Such a place begins with the file that holds it as if that were a folder, so that no file of its own
can be meant, and ends with a name whose ending says what it is.
"""

from __future__ import annotations

import bisect
import functools
import io
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.errors import DamageError
from .npy import read_npy

LARGEST_GROUP_BYTES = 1 << 29
_ARROW_FILE = b"ARROW1"
_NUMPY = b"\x93NUMPY"
_BLOCK = 512
_PLACE = re.compile(
    r"(?P<file>.+?)/(?:(?P<offset>\d{1,18})\+(?P<size>\d{1,18})|(?P<row>\d{1,18}):(?P<column>[^/]+))"
    r"/(?P<name>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """The data of a member of a tar: bytes ``[offset, offset + size)`` of ``file``."""

    file: str
    offset: int
    size: int

    def uri(self, name: str) -> str:
        """The place as records have it. name: of the member."""
        return f"{self.file}/{self.offset}+{self.size}/{name}"

    def length(self, path: Path) -> int:
        """How many bytes it has. path: of the file on this machine, here and below."""
        return self.size

    def read(self, path: Path) -> bytes:
        """Its bytes; DamageError where the tar has no member of this size here any more."""
        with open(path, "rb", buffering=0) as file:
            header = os.pread(file.fileno(), _BLOCK, self.offset - _BLOCK)
            try:
                member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
                is_there = member.size == self.size
            except tarfile.HeaderError:
                is_there = False
            data = os.pread(file.fileno(), self.size, self.offset) if is_there else b""
        if not is_there or len(data) != self.size:
            raise DamageError(
                "container_changed",
                f"{self.file}: no member of {self.size:,} bytes begins at byte {self.offset:,} any"
                " more; run the recipe again, which finds the members anew",
            )
        return data


@dataclass(frozen=True, slots=True)
class CellPlace:
    """A cell of a Parquet or Arrow file, or a row of a matrix in a .npy or .npz, that holds bytes
    or a vector. row: counted from 0. column: with a dot before a field of a struct
    (``image.bytes``).
    """

    file: str
    row: int
    column: str

    def uri(self, name: str) -> str:
        """The place as records have it. name: what its content would be called as a file."""
        return f"{self.file}/{self.row}:{quote(self.column, safe=' ')}/{name}"

    def length(self, path: Path) -> int:
        """How many bytes it has. path: of the file on this machine, here and below."""
        cell = self._cell(path)
        if not cell.is_valid:
            return 0
        if not holds_bytes(cell.type):
            return len(self.read(path))
        return int(pc.binary_length(cell).as_py())

    def read(self, path: Path) -> bytes:
        """Its bytes, of a vector those of a ``.npy``; DamageError where the table has no such cell
        any more.
        """
        cell = self._cell(path)
        if not cell.is_valid:
            return b""
        if holds_bytes(cell.type):
            return bytes(cell.as_py())
        return vector_file(cell.values.to_numpy(zero_copy_only=False))

    def _cell(self, path: Path) -> pa.Scalar:
        try:
            table = open_table(path)
            start, column = table.column_around(self.row, self.column)
            if not (holds_bytes(column.type) or holds_vectors(column.type)):
                raise KeyError(f"it holds {column.type}")
            return column[self.row - start]
        except (pa.ArrowException, KeyError, IndexError, ValueError) as error:
            raise DamageError(
                "container_changed",
                f"{self.file}: has no readable row {self.row:,} of {self.column!r}"
                f" ({' '.join(str(error).split())[:120]}); run the recipe again, which finds the"
                " rows anew",
            ) from None


def vector_file(values: np.ndarray) -> bytes:
    """A vector as the bytes of a ``.npy`` of float32."""
    buffer = io.BytesIO()
    with np.errstate(over="ignore"):
        np.save(buffer, np.asarray(values).astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


Inside: TypeAlias = MemberPlace | CellPlace


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type holds bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def inside(uri: str) -> Inside | None:
    """What a place inside of another file says; None for one that is written otherwise."""
    match = _PLACE.fullmatch(uri)
    if match is None:
        return None
    if match["offset"] is not None:
        return MemberPlace(match["file"], int(match["offset"]), int(match["size"]))
    return CellPlace(match["file"], int(match["row"]), unquote(match["column"]))


def holds_vectors(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    is_list = any(
        test(kind)
        for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )
    of = kind.value_type if is_list else None
    return of is not None and (pa.types.is_floating(of) or pa.types.is_integer(of))


class BytesTable:
    """A Parquet or Arrow file, of which one column of one group of rows is read at a time.

    starts: the first row of each group, and the number of all rows. schema: of the file.
    """

    def __init__(
        self,
        schema: pa.Schema,
        sizes: list[int],
        read: Callable[[int, str], pa.ChunkedArray],
    ) -> None:
        self.schema = schema
        self.starts = [0]
        for size in sizes:
            self.starts.append(self.starts[-1] + size)
        self._read = functools.lru_cache(maxsize=2)(read)

    def group(self, number: int, column: str) -> pa.ChunkedArray:
        """A column of a group of rows; the last two that were asked for are kept."""
        return self._read(number, column)

    def column_around(self, row: int, column: str) -> tuple[int, pa.ChunkedArray]:
        """The group that a row lies in: the number of its first row, and its column."""
        number = bisect.bisect_right(self.starts, row) - 1
        if not 0 <= number < len(self.starts) - 1:
            raise IndexError(f"it has {self.starts[-1]:,} rows")
        return self.starts[number], self.group(number, column)


def open_table(path: Path) -> BytesTable:
    """The table of a file; those that were opened last stay open as long as the file is as it was.
    ``pa.ArrowInvalid`` or ``OSError`` where it cannot be read.
    """
    state = os.stat(path)
    return _opened(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _opened(path: Path, size: int, changed_ns: int) -> BytesTable:
    with open(path, "rb") as file:
        head = file.read(6)
    if head == _NUMPY:
        try:
            return _matrices({"values": read_npy(path, "container_damaged")})
        except DamageError as error:
            raise pa.ArrowInvalid(error.message) from None
    if head[:4] == b"PK\x03\x04":
        with np.load(path, allow_pickle=False) as arrays:
            return _matrices({name: arrays[name] for name in arrays.files})
    return _parquet(path) if head[:4] == b"PAR1" else _arrow(path, head == _ARROW_FILE)


def _matrices(arrays: Mapping[str, np.ndarray]) -> BytesTable:
    """The arrays of a .npy or .npz as columns: lists of numbers of those that have two axes. Those
    that have as many rows as the first such are given.
    """
    rows = next((len(array) for array in arrays.values() if array.ndim == 2), 0)
    columns = {}
    for name, array in arrays.items():
        if array.ndim == 2 and len(array) == rows and array.shape[1]:
            # Arrow takes no numbers in the order of bytes of another machine
            native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
            flat = pa.array(native.reshape(-1))
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
        elif array.ndim == 1 and len(array) == rows:
            columns[name] = pa.array(array.tolist())
    table = pa.table(columns)
    return BytesTable(table.schema, [rows] if rows else [], lambda _, name: table[name])


def _parquet(path: Path) -> BytesTable:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, memory_map=True)
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]

    def read(number: int, column: str) -> pa.ChunkedArray:
        wanted = f"{column}."
        size = sum(
            chunk.total_uncompressed_size
            for chunk in map(groups[number].column, range(groups[number].num_columns))
            if f"{chunk.path_in_schema}.".startswith(wanted)
        )
        if size > LARGEST_GROUP_BYTES:
            raise DamageError(
                "row_group_too_large",
                f"{path.name}: row group {number} has {size:,} bytes of {column!r}, at most"
                f" {LARGEST_GROUP_BYTES:,} are read at once; write the file again with fewer rows"
                " in each (row_group_size=100 of pyarrow.parquet.write_table)",
            )
        table = file.read_row_group(number, columns=[column])
        return _field(table, column)

    return BytesTable(file.schema_arrow, [group.num_rows for group in groups], read)


def _arrow(path: Path, is_file: bool) -> BytesTable:
    """An Arrow file or stream: of a memory map, so that no column is read before it is used."""
    with pa.memory_map(str(path)) as source:
        if is_file:
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        else:
            reader = pa.ipc.open_stream(source)
            batches = list(reader)

    def read(number: int, column: str) -> pa.ChunkedArray:
        return _field(pa.Table.from_batches([batches[number]]), column)

    return BytesTable(reader.schema, [batch.num_rows for batch in batches], read)


def _field(table: pa.Table, column: str) -> pa.ChunkedArray:
    """A column, or the field of a struct that a name with dots means."""
    if column in table.column_names:
        return table[column]
    name, _, fields = column.partition(".")
    return pc.struct_field(table[name], fields.split("."))
