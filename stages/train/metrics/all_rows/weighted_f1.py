"""The mean over classes of F1, by how common they are."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class WeightedF1(Metric):
    """The mean over classes of F1, by how common they are."""

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import f1_score

        if not rows.classes():
            return math.nan
        return float(f1_score(rows.truth, rows.answer, labels=rows.classes(), average="weighted", zero_division=0.0))
