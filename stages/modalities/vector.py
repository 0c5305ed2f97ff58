"""Vectors that somebody made already: numbers without an order in time, ``float32 [D]``, in a
``.npy`` file each, a row of a matrix, or the record itself.

A model reads them as it reads cached features: ``features.vector`` puts them into the cache as they
are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...schemas.errors import DamageError
from ...schemas.fingerprint import hash_bytes
from ...schemas.json_value import JsonValue
from ...schemas.recipe import ShardOptions
from ...schemas.record import Part
from ..media.files import read_file
from ..media.inside import vector_file
from ..media.npy import read_npy
from ..media.values import values_of
from ..modality import Measured, OnDisk, Rendered
from ..signal import FACTS, found_in
from ..spec import BytesSpec

_LARGEST = 1 << 20  # numbers


class GivenVector(OnDisk):
    """Vectors. ``decoded`` gives ``float32 [D]``; they go into the tar as ``.npy``."""

    suffixes = (".npy",)
    by_ending = False
    facts = ("bytes",)
    readable = ("values",)
    media_per_task = 1024
    parts_per_task = 1024
    column: ClassVar[Mapping[str, JsonValue]] = {"list": "float32"}

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        values = self.decoded(root, part, None)
        result: Measured = {"hash": hash_bytes(values.tobytes())}
        if wanted == {FACTS}:
            return result
        result["found"] = found_in(self.name, _Values(values), wanted)
        return result

    def decoded(self, root: Path, part: Part, wanted_by: object) -> np.ndarray:
        if part.uri is None:
            return np.asarray(values_of(part).rows[0], np.float32)
        return decode_vector(read_file(root, part.uri))

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        return Rendered("npy", vector_file(self.decoded(root, part, None)))

    def spec(self) -> VectorSpec:
        return VectorSpec()


@dataclass(frozen=True, slots=True)
class _Values:
    """A vector as signals of the user's own read it."""

    values: np.ndarray


def decode_vector(data: bytes) -> np.ndarray:
    """The vector ``float32 [D]`` of a ``.npy`` of any type of numbers; DamageError where it is
    none, or not finite.
    """
    values = read_npy(data, "vector_damaged")
    if values.dtype.kind not in "fiub" or values.ndim != 1 or not 0 < len(values) <= _LARGEST:
        raise DamageError(
            "vector_damaged",
            f"wanted one row of numbers [D], at most {_LARGEST:,}, found"
            f" {_kind_of(values.dtype)} {list(values.shape)}",
        )
    with np.errstate(over="ignore"):
        vector: np.ndarray = values.astype(np.float32)
    wrong = int((~np.isfinite(vector)).sum())
    if wrong:
        raise DamageError(
            "vector_not_finite", f"{wrong:,} of its {len(vector):,} numbers are not finite"
        )
    return vector


def _kind_of(dtype: np.dtype[Any]) -> str:
    """What an array is made of, for people: numpy calls words ``<U1``."""
    return "words" if dtype.kind in "US" else dtype.name


class VectorSpec(BytesSpec):
    """A vector as numpy has it, ``float32 [D]``, in the batch's ``lists``."""

    modality = "vector"

    def read(self, data: bytes) -> np.ndarray:
        return decode_vector(data)


__all__ = ["GivenVector", "VectorSpec", "decode_vector"]
