"""The vectors of another extractor, with fewer numbers or on one scale, as the training split
says.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ...schemas.contents import Contents
from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint
from ...schemas.json_value import JsonValue
from ..base import Extractor, VectorFitted, make, stored
from ..reduction import lda, pca


@dataclass(frozen=True, kw_only=True)
class Reduced(VectorFitted):
    """Principal axes (``pca``, Hotelling 1933), discriminant axes (``lda``, Fisher 1936), or the
    same numbers with mean 0 and deviation 1 (``standardise``), of the vectors of another extractor.

    All of them are fitted on the records of the split ``train`` (of all records where there is
    none, but for ``lda``, which sees answers), and kept with the cache.

    of: the extractor, as a recipe names it. by: the method. rank: how many axes.
    whiten: whether each principal axis is brought to deviation 1.
    target: the classes that ``lda`` tells apart; records without it are not fitted on.
    """

    one_scale: ClassVar[bool] = True

    of: str | dict[str, Any]
    by: Literal["pca", "lda", "standardise"] = "pca"
    rank: int | None = None
    whiten: bool = False
    target: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "modality", self.inner.modality)
        if (self.by == "standardise") != (self.rank is None):
            wanted = "no rank" if self.by == "standardise" else "how many axes"
            raise ValueError(f"rank: {self.by} wants {wanted}, found {self.rank}")
        if self.rank is not None and not 1 <= self.rank <= self.inner.dims():
            raise ValueError(
                f"rank: wanted 1 to {self.inner.dims()}, the numbers of {self.inner.address}, found"
                f" {self.rank}"
            )
        if (self.by == "lda") != (self.target is not None):
            wanted = "the target it tells apart" if self.by == "lda" else "no target"
            raise ValueError(f"target: {self.by} wants {wanted}, found {self.target}")
        if self.whiten and self.by != "pca":
            raise ValueError(f"whiten: is of pca; the numbers of {self.by} have one scale anyway")

    @functools.cached_property
    def inner(self) -> Extractor:
        """The extractor whose vectors are reduced."""
        return _made(self.of)

    @property
    def reads_by(self) -> Extractor:
        return self.inner

    @property
    def sees_answers(self) -> bool:
        return self.by == "lda"

    def identity(self) -> str:
        options = self.deciding()
        del options["of"]
        return fingerprint(self.address, self.version, options, self.inner.identity())

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_targets("target", [self.target] if self.target else [])

    def extracted_dims(self) -> int:
        return self.inner.extracted_dims()

    def dims(self) -> int:
        return self.rank or self.inner.dims()

    def extract(self, data: Any) -> np.ndarray:
        return self.inner.extract(data)

    def fit_vectors(
        self, vectors_ND: np.ndarray, classes: Sequence[JsonValue], weights: np.ndarray | None
    ) -> np.ndarray:
        # the weights of the other extractor, then mean [D] and axes [D, K], or mean and scale [D]
        vectors_ND = vectors_ND.astype(np.float64)
        mean_D = vectors_ND.mean(0)
        try:
            change = self._change(vectors_ND - mean_D, classes)
        except InputError as error:
            raise InputError(f"features.reduced of {self.inner.address}: {error}") from None
        before = np.empty(0) if weights is None else weights
        return np.concatenate([before, mean_D, change.ravel()]).astype(np.float32)

    def weigh(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        before = weights[: len(weights) - self._own()]
        return self.reduce(stored(self.inner, vector, before if len(before) else None), weights)

    def reduce(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        mean_D, change = np.split(weights[-self._own() :], [self.inner.dims()])
        centred_D = vector.astype(np.float32) - mean_D
        if self.rank is None:
            return np.asarray(centred_D * change)
        return np.asarray(centred_D @ change.reshape(-1, self.rank))

    def _own(self) -> int:
        """How many of the weights are its own."""
        return self.inner.dims() * (1 + (self.rank or 1))

    def _change(self, centred_ND: np.ndarray, classes: Sequence[JsonValue]) -> np.ndarray:
        """Axes ``[D, K]`` or scale ``[D]`` of centred vectors."""
        if self.rank is None:
            deviation_D = centred_ND.std(0)
            return np.asarray(1 / np.where(deviation_D > 0, deviation_D, 1))
        if self.by == "lda":
            known = np.array([value is not None for value in classes], bool)
            names = np.array([str(value) for value in classes])
            if not known.any():
                raise InputError(f"target: no record to fit on has {self.target!r}")
            return lda(centred_ND[known], names[known], self.rank)
        axes_DK = pca(centred_ND, self.rank)
        if not self.whiten:
            return axes_DK
        deviation_K = (centred_ND @ axes_DK).std(0, ddof=1)
        # of one vector it is NaN
        if not deviation_K[-1] > 1e-6 * deviation_K[0]:
            raise InputError(
                f"{len(centred_ND):,} vectors vary along fewer than {self.rank} axes, and the"
                " others cannot be whitened; give a smaller rank"
            )
        return np.asarray(axes_DK / deviation_K)


def _made(entry: str | Mapping[str, Any]) -> Extractor:
    """The extractor that an entry names; ValueError for what a recipe could not name either."""
    if not isinstance(entry, str) and len(entry) != 1:
        raise ValueError(f"of: wanted one extractor with its options, found {entry!r}"[:200])
    address, options = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    extractor, problems = make(address, Extractor, options or {}, "of")
    if extractor is None:
        raise ValueError("; ".join(problems))
    if extractor.sequence_limit() is not None:
        raise ValueError(
            f"of: {extractor.address} gives sequences here (pool: none), and one vector for each"
            " content is reduced; wanted another pool, or reduce: as an option of the input of"
            " training, which reduces each vector of a sequence"
        )
    if isinstance(extractor, Reduced):
        raise ValueError("of: wanted an extractor of media or texts, found features.reduced")
    return extractor
