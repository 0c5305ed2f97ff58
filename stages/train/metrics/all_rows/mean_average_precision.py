"""The mean over classes of the average precision of ranking rows by their probability."""

from __future__ import annotations

import math

import numpy as np

from ..metric import Metric, Rows


class MeanAveragePrecision(Metric):
    """The mean over classes of average precision: precision at each row for which the class is
    right, rows ranked by its probability, without interpolation (``average_precision_score`` of
    scikit-learn).
    """

    tasks = ("classification", "multilabel")
    needs_probability = True

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import average_precision_score

        assert rows.probability is not None
        precisions = [
            average_precision_score(rows.right(number), rows.probability[:, number])
            for number in rows.classes()
        ]
        return float(np.mean(precisions)) if precisions else math.nan
