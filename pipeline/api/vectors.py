"""Cached features read back: a vector for each record, with its key."""

from __future__ import annotations

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


def read_vectors_of(out: str | Path, part: str) -> Vectors:
    """The cached features of a part, joined with the keys of records.

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
    return Vectors(
        part,
        cache.made_by.address or "",
        keys.filter(pa.array(rows >= 0)).to_pylist(),
        cache.vectors[rows[rows >= 0]],
        keys.filter(pa.array(rows < 0)).to_pylist(),
    )
