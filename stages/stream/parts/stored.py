"""Specs for members that are no modality: their bytes as they are stored, or what json says."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ....schemas import checks
from ....schemas.errors import DamageError
from ...spec import MIDDLE, Draws, Spec, Transform


@dataclass(frozen=True, kw_only=True)
class BytesSpec(Spec):
    """A medium as it is stored, undecoded, in the batch's ``lists``."""

    transform: Transform | None = None

    def __post_init__(self) -> None:
        checks.function(f"{type(self).__name__}: transform", self.transform)

    @property
    def makes_tensors(self) -> bool:
        return False

    @property
    def is_cheap(self) -> bool:
        return self.transform is None

    def value(self, data: bytes, draws: Draws = MIDDLE) -> object:
        """The bytes."""
        content = self.read(data)
        return content if self.transform is None else self.transform(content, draws.generator())

    def read(self, data: bytes) -> object:
        """What the bytes mean, before the transform."""
        return data


@dataclass(frozen=True, kw_only=True)
class JsonSpec(BytesSpec):
    """A json member as a Python value, in the batch's ``lists``."""

    modality = "json"

    def read(self, data: bytes) -> object:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DamageError("json_damaged", f"cannot be read as json: {error}") from None
