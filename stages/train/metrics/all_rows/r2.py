"""Coefficient of determination: the share of the target's variance that the answers explain."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class R2(Metric):
    """1 for answers without error, 0 for those of the split's own mean, below for worse; NaN where
    the target never varies.
    """

    tasks = ("regression",)

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import r2_score

        if len(rows) < 2 or float(rows.truth.std()) == 0:
            return math.nan
        return float(r2_score(rows.truth, rows.answer))
