"""Arrow columns as numpy arrays without pyarrow's own conversions, which import pandas wherever
that is installed (0.3 s before the first batch).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def numbers(column: pa.Array | pa.ChunkedArray, missing: int | None = None) -> np.ndarray:
    """A column of numbers as a view where it has no nulls; ``missing`` in their place where
    it has.
    """
    column = one_array(column)
    kind = np.dtype(column.type.to_pandas_dtype())
    values = (
        np.frombuffer(column.buffers()[1], kind)[column.offset :][: len(column)]
        if len(column)
        else np.empty(0, kind)
    )
    if not column.null_count:
        return values
    assert missing is not None, "a column with nulls, and nothing to put in their place"
    return np.where(_bits(column.buffers()[0], column), values, missing)


def equals(column: pa.StringArray, word: str) -> np.ndarray:
    """Whether each string is this one, bool."""
    data = word.encode()
    wanted = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data)]
    )
    hits = pc.is_in(column, value_set=wanted)
    return _bits(hits.buffers()[1], hits) if len(hits) else np.empty(0, bool)


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def rows_in_order(
    lengths: Sequence[int], read: Callable[[int], pa.Table], order: np.ndarray, at_once: int
) -> Iterator[pa.Table]:
    """The rows of many tables of one schema as ``order`` int ``[N]`` names them, counted from the
    first row of the first table on, ``at_once`` of them in memory at a time; one table without rows
    where none is named. lengths: rows of each table. read: the table of a number.
    """
    begins = np.cumsum([0, *lengths])
    for start in range(0, len(order), at_once) or (0,):
        # Arrow's indices are unsigned, which numpy makes floats of beside signed ones
        rows = order[start : start + at_once].astype(np.int64)
        # table by table: a take from all of them would copy all into one chunk first
        number = np.searchsorted(begins, rows, side="right") - 1
        by_table = np.argsort(number, kind="stable")
        touched, firsts = np.unique(number[by_table], return_index=True)
        ends = np.append(firsts, len(rows))[1:]
        taken = [
            read(table).take(pa.array(rows[by_table[first:end]] - begins[table]))
            for table, first, end in zip(touched.tolist(), firsts, ends, strict=True)
        ]
        piece = pa.concat_tables(taken or [read(0).slice(0, 0)]).combine_chunks()
        yield piece.take(pa.array(np.argsort(by_table)))


def in_memory(table: pa.Table) -> pa.Table:
    """A copy: views of a memory map keep all of it mapped as long as they live."""
    return table.take(pa.array(np.arange(len(table))))


# Any: a value of the type that is asked for
def as_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as an array, as ``pa.array`` makes it: dictionaries with all fields of a struct, lists
    of pairs for a map. By column, which takes a third of the time.
    """
    if pa.types.is_struct(kind):
        fields = [as_array([value[field.name] for value in values], field.type) for field in kind]
        return pa.StructArray.from_arrays(fields, fields=list(kind))
    if not pa.types.is_list(kind) and not pa.types.is_map(kind):
        return pa.array(values, kind)
    offsets = pa.array(list(itertools.accumulate(map(len, values), initial=0)), pa.int32())
    entries = list(itertools.chain.from_iterable(values))
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(offsets, as_array(entries, kind.value_type))
    keys = as_array([key for key, _ in entries], kind.key_type)
    return pa.MapArray.from_arrays(
        offsets, keys, as_array([item for _, item in entries], kind.item_type)
    )


def _bits(buffer: pa.Buffer, column: pa.Array) -> np.ndarray:
    """Arrow's packed bits of a column, least significant first."""
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return bits[column.offset :][: len(column)].astype(bool)
