"""Area under the ROC curve (Hanley & McNeil 1982): of each class against the others, and their
mean.
"""

from __future__ import annotations

import numpy as np

from ..metric import Metric, Rows


class Auc(Metric):
    """The mean, over classes that are right for some rows and not for all, of the chance that such
    a row is given more than another one.
    """

    tasks = ("classification", "multilabel")
    needs_probability = True

    def of(self, rows: Rows) -> float:
        from sklearn.metrics import roc_auc_score

        assert rows.probability is not None
        areas = [
            roc_auc_score(rows.right(number), rows.probability[:, number])
            for number in rows.classes()
            if not rows.right(number).all()
        ]
        return float(np.mean(areas)) if areas else float("nan")
