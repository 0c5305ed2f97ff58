"""F1 of all labels of all rows together, so that common labels count most."""

from __future__ import annotations

import math

from ..metric import Metric, Rows


class MicroF1(Metric):
    """F1 of all labels of all rows together; for one class a row it would be the accuracy."""

    tasks = ("multilabel",)

    def of(self, rows: Rows) -> float:
        right, said = rows.truth > 0, rows.answer > 0
        both = right.sum() + said.sum()
        return float(2 * (right & said).sum() / both) if both else math.nan
