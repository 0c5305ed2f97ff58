"""The mean over classes of F1, all classes alike (van Rijsbergen 1979)."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class MacroF1(Metric):
    """The mean over classes of F1, all classes alike (van Rijsbergen 1979)."""

    tasks = ("classification", "multilabel")

    def of(self, rows: Rows) -> float:
        if not rows.classes():
            return math.nan
        hit, said, there = rows.counts()
        return float((2 * hit / (said + there)).mean())
