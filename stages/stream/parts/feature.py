"""The spec for a part that is read as its cached vector, or sequence of them, in the place of its
medium.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....schemas import checks
from ....schemas.errors import InputError
from ....schemas.features import FeatureCache
from ...spec import Records, Spec


@dataclass(frozen=True, kw_only=True)
class FeatureSpec(Spec):
    """A cached vector ``[D]`` from an Arrow feature cache, read as a view of its memory map; or a
    cached sequence ``[T, D]``, with its length, in a batch that is as long as its longest row.

    folder: where the cache lies (``OUT/features``). part: whose vectors; another part's too.
    longest: how many vectors of a sequence are read, from its beginning on; all where it is None.
    """

    folder: str
    part: str
    longest: int | None = None

    def __post_init__(self) -> None:
        for name in ("folder", "part"):
            if not isinstance(getattr(self, name), (str, Path)):
                raise InputError(
                    f"FeatureSpec: {name}: wanted a path or a name, found {getattr(self, name)!r}"
                )

        if self.longest is not None:
            checks.whole("FeatureSpec: longest", self.longest, 1)

    @property
    def is_cheap(self) -> bool:
        return True

    def lengths(self, records: Records, part: str) -> np.ndarray:
        cache = FeatureCache(Path(self.folder), self.part)
        if not cache.has_sequences:
            return super().lengths(records, part)
        return cache.lengths(cache.rows(records.all_keys())).astype(np.float64)

    def cut_to(self, length: float) -> FeatureSpec:
        own = max(1, int(length))
        return replace(self, longest=own if self.longest is None else min(own, self.longest))
