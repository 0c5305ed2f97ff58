"""Cached features on disk: vectors by content, found by the key of a record.

features/image.arrow        content id -> vector (float16), sorted by id; its note says by what
features/image.keys.arrow   record key -> row of the file beside it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import numbers, one_array
from .disk import read_note, read_table, write_table
from .errors import InputError
from .json_value import JsonValue

ENDINGS = (".arrow", ".keys.arrow")


@dataclass(frozen=True, kw_only=True)
class FeatureNote:
    """What cached vectors were made by: it stands with them in their file, and in the checkpoints
    of models that read them.

    address: of the extractor. dims: length of a vector. extractor: fingerprint of all that can
        change a vector. fit: of what the extractor was fitted to, empty for most. identity: of the
        extractor alone. one_scale: whether all numbers of a vector are of one scale. options: from
        which the extractor is made again. weights: what fitting gave.

    What a note of an older version does not say is None.
    """

    # in the order in which files have them
    address: str | None = None
    dims: int = 0
    extractor: str | None = None
    fit: str | None = None
    identity: str | None = None
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

    vectors: by content id, each ``[dims]``. faults: rule and message for each content that has
        none. counts: what the extractor counted of each content, where it counts something.
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

    def write(self, folder: Path, part: str, ids: Sequence[str]) -> None:
        """Write the vectors of these contents and all faults."""
        note: dict[str, object] = dict(self.note.to_dict())
        if self.faults:
            note["faults"] = dict(sorted(self.faults.items()))
        table = vectors_table(
            ids,
            [self.vectors[content] for content in ids],
            self.note.dims,
            np.dtype(np.float16),
            self._counts_of(ids),
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
        counted = [self.counts.get(content, []) for content in ids]
        return counted if any(any(counts) for counts in counted) else None


def vectors_table(
    ids: Sequence[str],
    vectors: Sequence[np.ndarray],
    dims: int,
    kind: np.dtype[np.floating[Any]],
    counts: Sequence[Sequence[int]] | None = None,
) -> pa.Table:
    """A table of vectors ``[dims]`` with the ids of their contents, and what was counted of each
    where something was.
    """
    flat = np.concatenate(vectors).astype(kind) if vectors else np.empty(0, kind)
    columns = {
        "id": pa.array(ids, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), dims),
    }
    if counts is not None:
        columns["counts"] = pa.array(counts, pa.list_(pa.int64()))
    return pa.table(columns)


def read_vectors(path: Path) -> dict[str, np.ndarray]:
    """The vectors of a file by content id, in the type that it has them in."""
    table = read_table(path)
    return dict(zip(table["id"].to_pylist(), _vectors_in(table), strict=True))


def read_feature_counts(path: Path) -> dict[str, list[int]]:
    """What was counted of each content of a file, by its id; empty where nothing was."""
    table = read_table(path)
    if "counts" not in table.column_names:
        return {}
    return dict(zip(table["id"].to_pylist(), table["counts"].to_pylist(), strict=True))


def _vectors_in(table: pa.Table) -> np.ndarray:
    """All vectors of a table ``[N, D]``, as a view where they lie in one batch."""
    column = one_array(table["vector"])
    return numbers(column.flatten()).reshape(-1, column.type.list_size)


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

    vectors: ``[N, D]`` in the type they were stored in.
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
        self.vectors = _vectors_in(table)
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
