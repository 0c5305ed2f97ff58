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
import xxhash

_WORDS_AT_ONCE = 1 << 16


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


def narrowed(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """These columns of a table; ``origin.id`` names one field of a column of structs, or of lists
    of structs, whose other fields are left out.
    """
    wanted: dict[str, list[str]] = {}
    for name in columns:
        column, _, field = name.partition(".")
        wanted.setdefault(column, []).extend([field] if field else [])
    chosen = table.select(list(wanted))
    for place, (name, fields) in enumerate(wanted.items()):
        if fields:
            chunks = chosen[name].chunks or [one_array(chosen[name])]
            own = pa.chunked_array([_with_fields(chunk, fields) for chunk in chunks])
            chosen = chosen.set_column(place, name, own)
    return chosen


def _with_fields(column: pa.Array, fields: Sequence[str]) -> pa.Array:
    """A column of structs, or of lists of structs, with these of their fields."""
    mask = column.is_null() if column.null_count else None
    if pa.types.is_struct(column.type):
        own = [pc.struct_field(column, name) for name in fields]
        return pa.StructArray.from_arrays(own, list(fields), mask=mask)
    if column.offset:  # of a slice, which from_arrays does not take with nulls
        column = column.take(pa.array(np.arange(len(column))))
    return pa.ListArray.from_arrays(column.offsets, _with_fields(column.values, fields), mask=mask)


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


def numbered_by_name(words: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """The number of each word among the different ones in order ``int32 [N]``, and those. By
    sorting: Arrow's dictionary of ten million words takes a gigabyte while it is made.
    """
    order = pc.sort_indices(words)
    ordered = words.take(order)
    begins = np.ones(len(words), bool)
    if len(words) > 1:
        begins[1:] = pc.not_equal(ordered.slice(1), ordered.slice(0, len(words) - 1)).to_numpy(
            zero_copy_only=False
        )
    numbers = np.empty(len(words), np.int32)
    numbers[order.to_numpy()] = np.cumsum(begins, dtype=np.int32) - 1
    return numbers, ordered.filter(pa.array(begins))


def digests_of(words: pa.ChunkedArray) -> np.ndarray:
    """XXH3-128 of each word ``uint64 [N, 2]``."""
    digests = np.empty((len(words), 2), np.uint64)
    for start in range(0, len(words), _WORDS_AT_ONCE):
        some = words.slice(start, _WORDS_AT_ONCE).cast(pa.binary()).to_pylist()
        joined = b"".join(map(xxhash.xxh3_128_digest, some))
        digests[start : start + len(some)] = np.frombuffer(joined, np.uint64).reshape(-1, 2)
    return digests


def numbered(words: pa.ChunkedArray) -> np.ndarray:
    """Numbers ``int32 [N]`` that are equal where the words are, in no order; by a digest of 128
    bits of each, in 32 bytes a word at most.
    """
    digests = digests_of(words)
    order = np.lexsort(digests.T)
    begins = np.zeros(len(words), bool)
    begins[:1] = True
    for half in digests.T:
        ordered = half[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    numbers = np.empty(len(words), np.int32)
    numbers[order] = np.cumsum(begins, dtype=np.int32) - 1
    return numbers


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
