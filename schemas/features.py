"""What stands with cached features on disk, beside the vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

from .json_value import JsonValue


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
