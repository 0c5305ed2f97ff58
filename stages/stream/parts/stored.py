"""The spec for what json says, which is no modality."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ....schemas.errors import DamageError
from ...spec import BytesSpec


@dataclass(frozen=True, kw_only=True)
class JsonSpec(BytesSpec):
    """A json member as a Python value, in the batch's ``lists``."""

    modality = "json"

    def read(self, data: bytes) -> object:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DamageError("json_damaged", f"cannot be read as json: {error}") from None
