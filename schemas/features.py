"""Cached features on disk: vectors by content, found by the key of a record.

features/image.arrow        content id -> vector (float16), sorted by id; its note says by what
features/image.keys.arrow   record key -> row of the file beside it

Of an extractor that gives sequences, the first file holds content id -> vectors in order, as a list
of any length: all vectors lie one after the other, and offsets beside them say whose they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import numbers, one_array
from .disk import read_note, read_table, storage_error, write_table
from .errors import InputError
from .json_value import JsonValue

ENDINGS = (".arrow", ".keys.arrow")
_FLOAT16: np.dtype[np.floating[Any]] = np.dtype(np.float16)
_IN_MEMORY = 64 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class FeatureNote:
    """What cached vectors were made by: it stands with them in their file, and in the checkpoints
    of models that read them.

    address: of the extractor. dims: length of a vector. extractor: fingerprint of all that can
        change a vector. fit: of what the extractor was fitted to, empty for most. identity: of the
        extractor alone. longest: how many vectors a sequence may have; None where a content has one
        vector. one_scale: whether all numbers of a vector are of one scale. options: from which the
        extractor is made again. weights: what fitting gave.

    What else a note of an older version does not say is None.
    """

    # in the order in which files have them
    address: str | None = None
    dims: int = 0
    extractor: str | None = None
    fit: str | None = None
    identity: str | None = None
    longest: int | None = None
    one_scale: bool | None = None
    options: Mapping[str, JsonValue] | None = None
    weights: Sequence[float] | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, JsonValue]) -> Self:
        """As JSON has it."""
        make: Callable[..., Self] = cls
        return make(**{item.name: value[item.name] for item in fields(cls) if item.name in value})

    def to_dict(self) -> dict[str, JsonValue]:
        """As plain JSON, without what is not known."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def alike(self) -> dict[str, str | int | None]:
        """What makes the vectors of two caches mean the same; not where a network lies, for
        example.
        """
        return {
            "address": self.address,
            "dims": self.dims,
            "extractor": self.extractor,
            "fit": self.fit,
        }


@dataclass(slots=True)
class CachedVectors:
    """The vectors of one part.

    vectors: by content id, each ``[dims]``, or ``[T, dims]`` for sequences. faults: rule and
        message for each content that has none. counts: what the extractor counted of each content,
        where it counts something.
    """

    note: FeatureNote
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, part: str, note: FeatureNote) -> Self:
        """Those that were cached by the same extractor with the same fit, under the note that they
        have; none under an empty note where there are no such.
        """
        path = folder / f"{part}.arrow"
        if not path.is_file():
            return cls(FeatureNote())
        own = read_note(path)
        faults = own.pop("faults", {})
        cached = FeatureNote.from_dict(own)
        if (cached.extractor, cached.fit) != (note.extractor, note.fit):
            return cls(FeatureNote())
        return cls(cached, read_vectors(path), faults, read_feature_counts(path))

    def write(
        self,
        folder: Path,
        part: str,
        ids: Sequence[str],
        kind: np.dtype[np.floating[Any]] = _FLOAT16,
    ) -> None:
        """Write the vectors of these contents, in this type, and all faults."""
        note: dict[str, object] = dict(self.note.to_dict())
        if self.faults:
            note["faults"] = dict(sorted(self.faults.items()))
        table = vectors_table(
            ids,
            [self.vectors[content] for content in ids],
            self.note.dims,
            kind,
            self._counts_of(ids),
            are_sequences=self.note.longest is not None,
            beside=folder,
        )
        # one batch: read as one view of the memory map
        write_table(
            folder / f"{part}.arrow",
            table.combine_chunks(),
            note,
            rows_per_batch=max(1, len(ids)),
        )

    def _counts_of(self, ids: Sequence[str]) -> list[list[int]] | None:
        """What was counted of these contents; None where that is nothing of any."""
        width = max(map(len, self.counts.values()), default=0)
        # zeros are counts as well: of a cache that grows, some may be all that there are
        return [self.counts.get(content) or [0] * width for content in ids] if width else None


def vectors_table(
    ids: Sequence[str],
    vectors: Sequence[np.ndarray],
    dims: int,
    kind: np.dtype[np.floating[Any]],
    counts: Sequence[Sequence[int]] | None = None,
    *,
    are_sequences: bool = False,
    beside: Path | None = None,
) -> pa.Table:
    """A table of vectors ``[dims]``, or sequences of them ``[T, dims]``, with the ids of their
    contents, and what was counted of each where something was.

    beside: a folder on the disk that the table is written to; sequences that are large together are
    gathered in a file without a name there, and not in memory.
    """
    flat = _flat(vectors, kind, beside if are_sequences else None)
    each = pa.FixedSizeListArray.from_arrays(flat, dims)
    columns = {"id": pa.array(ids, pa.string())}
    if are_sequences:
        offsets = np.cumsum([0, *map(len, vectors)], dtype=np.int64)
        columns["sequence"] = pa.LargeListArray.from_arrays(pa.array(offsets), each)
    else:
        columns["vector"] = each
    if counts is not None:
        columns["counts"] = pa.array(counts, pa.list_(pa.int64()))
    return pa.table(columns)


def _flat(
    vectors: Sequence[np.ndarray], kind: np.dtype[np.floating[Any]], beside: Path | None
) -> pa.Array:
    """All numbers of some vectors one after the other; in a mapped file where they are many."""
    count = sum(vector.size for vector in vectors)
    if beside is None or count * kind.itemsize <= _IN_MEMORY:
        return pa.array(
            np.concatenate([vector.ravel() for vector in vectors]).astype(kind, copy=False)
            if vectors
            else np.empty(0, kind)
        )
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=beside) as file:
            # written and not filled through the map: where the disk is full, that says so
            for vector in vectors:
                file.write(np.ascontiguousarray(vector, kind).data)
            file.flush()
            gathered = np.memmap(file, kind, "r", shape=(count,))
    except OSError as error:
        raise storage_error(error, beside) from error
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(kind), count, [None, pa.py_buffer(gathered)], null_count=0
    )


def read_vectors(path: Path) -> dict[str, np.ndarray]:
    """The vectors ``[dims]`` of a file, or its sequences ``[T, dims]``, by content id, in the type
    that it has them in.
    """
    table = read_table(path)
    vectors_ND, offsets = _vectors_in(table)
    each = vectors_ND if offsets is None else np.split(vectors_ND, offsets[1:-1])
    return dict(zip(table["id"].to_pylist(), each[: len(table)], strict=True))


def read_feature_counts(path: Path) -> dict[str, list[int]]:
    """What was counted of each content of a file, by its id; empty where nothing was."""
    table = read_table(path)
    if "counts" not in table.column_names:
        return {}
    return dict(zip(table["id"].to_pylist(), table["counts"].to_pylist(), strict=True))


def _vectors_in(table: pa.Table) -> tuple[np.ndarray, np.ndarray | None]:
    """All vectors of a table ``[N, D]``, as a view where they lie in one batch; and of sequences
    where each begins, and the last one ends, among them ``int64 [rows + 1]``.
    """
    if "sequence" not in table.column_names:
        column = one_array(table["vector"])
        return numbers(column.flatten()).reshape(-1, column.type.list_size), None
    column = one_array(table["sequence"])
    offsets = numbers(column.offsets) if len(column) else np.zeros(1, np.int64)
    each = column.values
    return numbers(each.flatten()).reshape(-1, each.type.list_size), offsets


def write_keys(folder: Path, part: str, contents: Mapping[str, str]) -> None:
    """Write which row of a cache belongs to which record, unless that stands there already.
    ``contents``: content id by key.
    """
    ids = read_table(folder / f"{part}.arrow")["id"].to_pylist()
    places = {content: row for row, content in enumerate(ids)}
    rows = sorted((key, places[id_]) for key, id_ in contents.items() if id_ in places)
    table = pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.string()),
            "row": pa.array([row for _, row in rows], pa.int64()),
        }
    )
    path = folder / f"{part}.keys.arrow"
    if not path.is_file() or not read_table(path).equals(table):
        write_table(path, table)


class FeatureCache:
    """Vectors of one part by record key. Nothing is read before it is used.

    vectors: ``[N, D]`` in the type they were stored in; of sequences those of all rows, one after
    the other. offsets: of sequences, the first of each row and the end of the last one among them
    ``int64 [rows + 1]``; None where a row has one vector.
    """

    def __init__(self, folder: Path, part: str) -> None:
        path, keys_path = folder / f"{part}.arrow", folder / f"{part}.keys.arrow"
        if not path.is_file() or not keys_path.is_file():
            raise InputError(
                f"{path}: no cached features of {part!r} here; add 'features: {{{part}: ...}}' to"
                " the recipe and run it"
            )
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        self.made_by = FeatureNote.from_dict(read_note(path))
        self.vectors, self.offsets = _vectors_in(table)
        self.dims = self.vectors.shape[1]
        with pa.memory_map(str(keys_path)) as source:
            keys = pa.ipc.open_file(source).read_all()
        self._keys, self._places = keys["key"], numbers(keys["row"])

    def rows(self, keys: pa.ChunkedArray) -> np.ndarray:
        """Row of each key ``int64 [N]``; -1 where there is none."""
        places = numbers(pc.index_in(keys, value_set=self._keys), missing=-1)
        # -1 looks up the last place and is put right by where; an empty array has no last place
        return (
            np.where(places >= 0, self._places[places], -1)
            if len(self._places)
            else np.full(len(places), -1)
        )

    @property
    def has_sequences(self) -> bool:
        """Whether a row is a sequence of vectors."""
        return self.offsets is not None

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """How many vectors these rows have ``int64 [n]``; 0 for row -1."""
        if self.offsets is None:
            return (rows >= 0).astype(np.int64)
        lengths: np.ndarray = np.where(rows >= 0, self.offsets[rows + 1] - self.offsets[rows], 0)
        return lengths

    def sequence(self, row: int) -> np.ndarray:
        """The vectors of a row ``[T, D]``, as a view."""
        first, end = (row, row + 1) if self.offsets is None else self.offsets[row : row + 2]
        return self.vectors[first:end]

    def one_each(self, rows: np.ndarray) -> np.ndarray:
        """A vector for each of these rows ``[n, D]``, of sequences the mean of theirs
        ``float32``.
        """
        if self.offsets is None:
            return np.asarray(self.vectors[rows])
        means = np.empty((len(rows), self.dims), np.float32)
        for place, row in enumerate(rows.tolist()):
            means[place] = self.sequence(row).mean(0, dtype=np.float32)
        return means
