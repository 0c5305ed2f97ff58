"""How far the confidence of answers can be believed: a reliability diagram (DeGroot & Fienberg
1983; Guo et al. 2017), its numbers beside it.
"""

from __future__ import annotations

from typing import Any

from .charts import bar, reliability
from .markup import Markup, data_table, element


# Any: training wrote it by its own types, which stand on torch
def reliability_of(found: dict[str, Any] | None) -> Markup | None:
    """The diagram and its table; None where answers have no confidence."""
    if not found or not found["bins"]:
        return None
    bins, metric = found["bins"], found["metric"]
    most = max(own["records"] for own in bins)
    rows: list[list[object]] = [
        [
            f"{own['low']:.2f} to {own['high']:.2f}",
            f"{own['records']:,}",
            bar([("kept", own["records"] / most)]),
            f"{own['confidence']:.3f}",
            f"{own['score']:.3f}",
            f"{own['score'] - own['confidence']:+.3f}",
        ]
        for own in bins
    ]
    said = f"expected calibration error {found['ece']:.3f}"
    points = [(own["confidence"], own["score"]) for own in bins]
    chart = element(
        "figure",
        element(
            "figcaption",
            element("b", "reliability"),
            f" {said}; on the line, confidence is what it says",
        ),
        reliability(
            f"Reliability diagram, mean {metric} by mean confidence: {said}", points, metric
        ),
    )
    columns = ["confidence", "records", "", "mean", metric, "too low"]
    table = data_table(f"Confidence of the answers, and their {metric}", columns, rows, " n nnn")
    return element("div", chart, table, class_="beside")
