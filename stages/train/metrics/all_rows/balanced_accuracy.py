"""The mean over classes of the share that is answered rightly (Brodersen et al. 2010)."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class BalancedAccuracy(Metric):
    """The mean over classes of the share that is answered rightly (Brodersen et al. 2010)."""

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import recall_score

        if not rows.classes():
            return math.nan
        return float(recall_score(rows.truth, rows.answer, labels=rows.classes(), average="macro", zero_division=0.0))
