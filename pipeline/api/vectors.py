"""Cached features read back: a vector, or a sequence of them, for each record, with its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas.errors import InputError, nearest
from ...schemas.features import ENDINGS, FeatureCache
from ...schemas.layout import RunFolder


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The vectors of one part, of the records that have one, in the order of the manifest.

    keys: of these records ``[N]``. vectors: ``float16 [N, D]``; ``numpy.asarray`` gives them as
        well. lacking: keys of the records without: they lack the part, or it could not be read.
    address: of the extractor that made them.
    """

    part: str
    address: str
    keys: list[str]
    vectors: np.ndarray
    lacking: list[str]

    def to_arrow(self) -> pa.Table:
        """A table of ``key`` and ``vector``, to be joined with the manifest and others by key."""
        flat = pa.array(self.vectors.reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, self.vectors.shape[1])
        return pa.table({"key": pa.array(self.keys, pa.string()), "vector": column})

    # Any: a data frame; pandas is no dependency
    def to_pandas(self) -> Any:
        """The same as a data frame."""
        return self.to_arrow().to_pandas()

    def __len__(self) -> int:
        return len(self.keys)

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.vectors, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        lacking = f", {len(self.lacking):,} without" if self.lacking else ""
        return (
            f"Vectors({self.part}: {len(self):,} records{lacking}, {self.vectors.shape[1]:,}"
            f" {self.vectors.dtype} each, by {self.address})"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """The sequences of one part (``pool: none``), of the records that have one, in the order of the
    manifest. ``sequences[0]`` is the first one ``[T, D]``.

    keys: of these records ``[N]``. vectors: all of them one after the other ``[sum of T, D]``,
        float16 or float32. lengths: T of each ``int64 [N]``. lacking: keys of the records without.
    address: of the extractor that made them.
    """

    part: str
    address: str
    keys: list[str]
    vectors: np.ndarray
    lengths: np.ndarray
    lacking: list[str]

    def means(self) -> np.ndarray:
        """The mean of each ``float32 [N, D]``."""
        return np.array([own.mean(0, dtype=np.float32) for own in self], np.float32).reshape(
            len(self), self.vectors.shape[1]
        )

    def to_arrow(self) -> pa.Table:
        """A table of ``key`` and ``sequence``, a list of vectors."""
        each = pa.FixedSizeListArray.from_arrays(
            pa.array(self.vectors.reshape(-1)), self.vectors.shape[1]
        )
        offsets = pa.array(np.append(0, np.cumsum(self.lengths)))
        column = pa.LargeListArray.from_arrays(offsets, each)
        return pa.table({"key": pa.array(self.keys, pa.string()), "sequence": column})

    # Any: a data frame; pandas is no dependency
    def to_pandas(self) -> Any:
        """The same as a data frame."""
        return self.to_arrow().to_pandas()

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: int) -> np.ndarray:
        place = range(len(self))[place]  # IndexError beyond them, which ends an iteration
        end = int(self.lengths[: place + 1].sum())
        return self.vectors[end - int(self.lengths[place]) : end]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(np.split(self.vectors, np.cumsum(self.lengths)[:-1])[: len(self)])

    def __repr__(self) -> str:
        lacking = f", {len(self.lacking):,} without" if self.lacking else ""
        shortest, longest = (
            (int(self.lengths.min()), int(self.lengths.max())) if self.keys else (0, 0)
        )
        return (
            f"Sequences({self.part}: {len(self):,} records{lacking}, {shortest:,} to {longest:,}"
            f" vectors of {self.vectors.shape[1]:,} {self.vectors.dtype} each, by {self.address})"
        )


def read_vectors_of(out: str | Path, part: str) -> Vectors | Sequences:
    """The cached features of a part, joined with the keys of records; ``Sequences`` where their
    extractor gives those.

    out: the output folder of a run whose recipe has ``features: {PART: ...}``.
    """
    folder = RunFolder(Path(out))
    if not folder.manifest.is_file():
        raise InputError(f"{out}: no manifest here; wanted the output folder of a run")
    cached = [path.name.removesuffix(ENDINGS[1]) for path in folder.features.glob(f"*{ENDINGS[1]}")]
    if cached and part not in cached:
        raise InputError(f"{out}: no cached features of {part!r}{nearest(part, cached)}")
    cache = FeatureCache(folder.features, part)
    keys = pq.read_table(folder.manifest, columns=["key"])["key"]
    rows = cache.rows(keys)
    if cache.has_sequences:
        own = [cache.sequence(row) for row in rows[rows >= 0].tolist()]
        return Sequences(
            part,
            cache.made_by.address or "",
            keys.filter(pa.array(rows >= 0)).to_pylist(),
            np.concatenate([cache.vectors[:0], *own]),
            cache.lengths(rows[rows >= 0]),
            keys.filter(pa.array(rows < 0)).to_pylist(),
        )
    return Vectors(
        part,
        cache.made_by.address or "",
        keys.filter(pa.array(rows >= 0)).to_pylist(),
        cache.vectors[rows[rows >= 0]],
        keys.filter(pa.array(rows < 0)).to_pylist(),
    )
