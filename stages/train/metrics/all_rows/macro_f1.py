"""The mean over classes of F1, all classes alike (van Rijsbergen 1979)."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class MacroF1(Metric):
    """The mean over classes of F1, all classes alike (van Rijsbergen 1979)."""

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import f1_score

        if not rows.classes():
            return math.nan
        return float(f1_score(rows.truth, rows.answer, labels=rows.classes(), average="macro", zero_division=0.0))
