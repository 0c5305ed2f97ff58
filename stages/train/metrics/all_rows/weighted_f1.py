"""The mean over classes of F1, by how common they are."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class WeightedF1(Metric):
    """The mean over classes of F1, by how common they are."""

    tasks = ("classification", "multilabel")

    def of(self, rows: Rows) -> float:
        if not rows.classes():
            return math.nan
        hit, said, there = rows.counts()
        return float((2 * hit / (said + there) * there).sum() / there.sum())
