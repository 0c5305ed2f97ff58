"""Vectors that the corpus brings: into the cache as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...schemas.errors import DamageError
from ..base import Extractor


@dataclass(frozen=True, kw_only=True)
class VectorAsGiven(Extractor):
    """A part of vectors (the source ``vectors``) as it is, in float16.

    size: how many numbers a vector has.
    """

    modality: ClassVar[str] = "vector"

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size: wanted 1 or more, found {self.size}")

    def dims(self) -> int:
        return self.size

    def extract(self, data: np.ndarray) -> np.ndarray:
        if len(data) != self.size:
            raise DamageError(
                "vector_size",
                f"wanted a vector of {self.size:,} numbers, found {len(data):,}; set size:"
                f" {len(data)} if all of them have as many",
            )
        return data
