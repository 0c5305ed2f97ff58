"""A series that stands in its record, as the step ``values`` on its part: labels and tracks brought
onto a grid, which are in no file.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from ...schemas.record import Part, Step

VALUES_STEP = "values"


class Values(NamedTuple):
    """Rows at 0, 1 / rate, ... seconds: ``float32 [T, C]``, NaN where absent, and the names of the
    columns.
    """

    rows: np.ndarray
    columns: tuple[str, ...]


def values_step(rows: np.ndarray, columns: Sequence[str]) -> Step:
    """The step that holds these rows ``[T, C]``, packed (zlib, base64)."""
    packed = base64.b64encode(zlib.compress(np.asarray(rows, "<f4").tobytes(), 9)).decode()
    return Step(VALUES_STEP, {"rows": packed, "columns": list(columns)})


def values_of(part: Part) -> Values:
    """The rows that stand in a part."""
    step = next(step for step in part.steps if step.op == VALUES_STEP)
    columns = tuple(cast("list[str]", step.options["columns"]))
    data = zlib.decompress(base64.b64decode(cast("str", step.options["rows"])))
    return Values(np.frombuffer(data, "<f4").reshape(-1, len(columns)), columns)
