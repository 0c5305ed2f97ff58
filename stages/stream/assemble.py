"""From filled arrays to the batch that the model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ...schemas.features import FeatureCache
from ..spec import Spec
from .batch import FusionBatch, Labels
from .order.batches import Job
from .order.order import PAD
from .parts.feature import FeatureSpec
from .shards.index import Index
from .workers.buffers import Arrays
from .workers.task import FilledRows


class Assembler:
    """Puts batches together: views of the filled arrays, vectors from the feature caches, labels.
    ``specs``: for each class of length, part -> spec.

    Cached vectors come in here and not in the workers: taking those of a whole batch out of a
    memory map is one copy.
    """

    def __init__(self, index: Index, specs: Sequence[Mapping[str, Spec]]) -> None:
        self._index, self._names = index, tuple(specs[0])
        self._longest = [
            {name: spec.longest for name, spec in own.items() if isinstance(spec, FeatureSpec)}
            for own in specs
        ]
        self._vectors = {
            name: _Vectors(spec, index)
            for name, spec in specs[0].items()
            if isinstance(spec, FeatureSpec)
        }

    def batch(
        self,
        job: Job,
        records: np.ndarray,
        arrays: Arrays,
        filled: Sequence[FilledRows],
        key: int,
    ) -> FusionBatch:
        """The batch of a job.

        records: what stands in its rows after damage ``int64 [B]``. key: what the epoch's random
        draws come from.
        """
        parts, lengths = _of_kind(arrays, "parts/"), _of_kind(arrays, "lengths/")
        targets = {row: own for rows in filled for row, own in rows.targets.items()}
        for column, name in enumerate(self._names):
            if name in self._vectors:
                present = arrays["present"][:, column]
                vectors, longest = self._vectors[name], self._longest[job.length_class][name]
                if vectors.are_sequences:
                    parts[name], lengths[name] = vectors.sequences(records, present, longest)
                else:
                    parts[name] = vectors.of(records, present)
        return FusionBatch(
            names=self._names,
            labels=Labels.of(self._index, records, targets),
            parts={name: parts[name] for name in self._names if name in parts},
            lengths=lengths,
            lists={
                name: [value for rows in filled for value in rows.lists[name]]
                for name in (filled[0].lists if filled else ())
            },
            present_BM=torch.from_numpy(arrays["present"]),
            weight_B=torch.from_numpy((records != PAD).astype(np.float32)),
            epoch=job.epoch,
            records_done=job.done,
            positions=job.positions,
            draw_key=key,
        )


class _Vectors:
    """The cached vectors, or sequences, of one part. ``_rows``: where each record's lies in the
    cache ``int64 [N]``, -1 where it has none.
    """

    def __init__(self, spec: FeatureSpec, index: Index) -> None:
        self._cache = FeatureCache(Path(spec.folder), spec.part)
        self._rows = self._cache.rows(index.all_keys())

    def of(self, records: np.ndarray, present: np.ndarray) -> torch.Tensor:
        """The vectors of these records ``[B, D]``, zeros where there is none; which of them are
        there is written into ``present`` ``bool [B]``.
        """
        rows = self._rows_of(records, present)
        if not present.any():  # the cache may hold no vector at all
            return torch.from_numpy(
                np.zeros((len(records), self._cache.dims), self._cache.vectors.dtype)
            )
        vectors = self._cache.vectors[np.maximum(rows, 0)]
        if not present.all():
            vectors[~present] = 0
        return torch.from_numpy(vectors)

    @property
    def are_sequences(self) -> bool:
        """Whether a record has vectors in order."""
        return self._cache.has_sequences

    def sequences(
        self, records: np.ndarray, present: np.ndarray, longest: int | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sequences of these records ``[B, T, D]``, T being that of the longest of them, zeros
        behind the others; and how long each is ``int64 [B]``, 0 where there is none. longest: at
        most so many vectors of each.
        """
        rows = self._rows_of(records, present)
        lengths = self._cache.lengths(rows)
        if longest is not None:
            np.minimum(lengths, longest, out=lengths)
        most = max(1, int(lengths.max(initial=0)))
        kind = self._cache.vectors.dtype
        whole = np.empty((len(rows), most, self._cache.dims), kind)
        for out, row, length in zip(whole, rows.tolist(), lengths.tolist(), strict=True):
            out[:length] = self._cache.sequence(row)[:length] if length else 0
            out[length:] = 0
        return torch.from_numpy(whole), torch.from_numpy(lengths)

    def _rows_of(self, records: np.ndarray, present: np.ndarray) -> np.ndarray:
        rows = np.where(records != PAD, self._rows[records], -1)
        np.greater_equal(rows, 0, out=present)
        return rows


def _of_kind(arrays: Arrays, prefix: str) -> dict[str, torch.Tensor]:
    """The arrays whose names begin so, as tensors over the same memory."""
    return {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
