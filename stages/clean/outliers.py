"""Outliers of a numeric target or signal, by the distance from the median in robust standard
deviations.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.record import Fault
from ..base import MAD_TO_DEVIATION, CorpusStage, Decision, rows_of
from ..modality import modality, names


@dataclass(frozen=True, kw_only=True)
class Outliers(CorpusStage):
    """Rejects records whose number lies more than ``deviations`` robust standard deviations from
    the median.

    column: a numeric target, or a signal such as ``image.sharpness``.
    deviations: 1.4826 times the median absolute deviation is one (Hampel 1974); where that is zero
        the standard deviation is taken.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "targets", "signals")

    column: str
    deviations: float = 5.0

    def mistakes(self, here: Contents) -> list[str]:
        if self.column in here.signals:
            return []
        part, dot, word = self.column.rpartition(".")
        if not dot or self.column in here.targets:
            lines = here.lacking_targets("column", [self.column])
            return lines or (
                [f"column: {self.column!r} is text; read it by 'numbers'"]
                if here.targets[self.column] == "text"
                else []
            )
        kind = here.parts.get(part)
        if kind in (None, *here.measured):
            return here.lacking_parts("column", [part]) or self._unasked(part, word, here)
        return [
            f"column: the signals of {part!r} are not measured; add clean.{kind}, which"
            " measures them"
        ]

    def _unasked(self, part: str, word: str, here: Contents) -> list[str]:
        """A line where a signal is measured on request alone, and nobody asks for it."""
        for kind in map(modality, names()):
            request = kind.signals[word].on_request if word in kind.signals else ""
            asked = f"{kind.name}.{request}"
            if request and here.parts[part] in (None, kind.name) and asked not in here.measured:
                return [
                    f"column: {self.column!r} is measured on request alone; add 'measure:"
                    f" [{part}.{request}]' to the recipe"
                ]
        return []

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        keys, numbers = [], []
        for key, targets, signals in rows_of(table, *self.columns):
            value = json.loads(targets).get(self.column, dict(signals or ()).get(self.column))
            if (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and math.isfinite(value)
            ):
                keys.append(key)
                numbers.append(float(value))
        if not numbers:
            return {}
        values = np.array(numbers)
        distance = np.abs(values - np.median(values))
        scale = MAD_TO_DEVIATION * np.median(distance) or values.std()
        decisions = {}
        for key, value, far in zip(keys, numbers, distance > self.deviations * scale, strict=True):
            if far:
                message = (
                    f"{self.column} lies more than {self.deviations:g} deviations from the median"
                )
                decisions[key] = Decision(
                    Fault(
                        "outlier",
                        value,
                        f"{np.median(values):g} +- {self.deviations * scale:.6g}",
                        message,
                    )
                )
        return decisions
