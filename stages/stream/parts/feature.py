"""The spec for a part that is read as its cached vector, in the place of its medium."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....schemas.errors import InputError
from ...spec import Spec


@dataclass(frozen=True, kw_only=True)
class FeatureSpec(Spec):
    """A cached vector ``[D]`` from an Arrow feature cache, read as a view of its memory map.

    folder: where the cache lies (``OUT/features``). part: whose vectors; another part's too.
    """

    folder: str
    part: str

    def __post_init__(self) -> None:
        for name in ("folder", "part"):
            if not isinstance(getattr(self, name), (str, Path)):
                raise InputError(
                    f"FeatureSpec: {name}: wanted a path or a name, found {getattr(self, name)!r}"
                )

    @property
    def is_cheap(self) -> bool:
        return True
