"""The mean over classes of the share that is answered rightly (Brodersen et al. 2010)."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class BalancedAccuracy(Metric):
    """The mean over classes of the share that is answered rightly (Brodersen et al. 2010)."""

    def of(self, rows: Rows) -> float:
        if not rows.classes():
            return math.nan
        hit, _, there = rows.counts()
        return float((hit / there).mean())
