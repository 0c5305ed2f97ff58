"""``evaluation.png``: the score of every subset of the parts, how far confidence can be believed,
and which classes are taken for which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .draw_confusion import draw_confusion, size_of_confusion
from .drawing import (
    BLUE,
    DARK,
    PALE,
    QUIET,
    below,
    beside,
    draw_subsets,
    height_of_rows,
    in_whole_numbers,
    rows_shown,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from .evaluate import Evaluation, Reliability

_LEFT_IN, _RELIABILITY_IN = 7.4, 3.4


def draw_evaluation(report: Evaluation) -> Figure:
    """The picture of a report."""
    metric, confusion = report["metric"], report.get("confusion")
    rows = len(rows_shown({name: own[metric] for name, own in report["subsets"].items()}))
    heights = [height_of_rows(rows)] + [_RELIABILITY_IN] * bool(report.get("reliability"))
    width, tall = _LEFT_IN, sum(heights)
    right: tuple[float, float] = (0.0, 0.0)
    if confusion:
        right = size_of_confusion(len(confusion["classes"]))
        width, tall = width + right[0], max(tall, right[1])
    figure = sheet(width, tall)
    figure.suptitle(
        f"{report['target']} on {report['split']}: {report['records_with_target']:,} records",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    left, *of_confusion = beside(figure, _LEFT_IN, *([right[0]] if confusion else []))
    if len(heights) > 1:
        left, of_reliability = below(left, *heights)
        draw_reliability(of_reliability, report["reliability"])
    draw_subsets(left, report["subsets"], metric, report["split"], report["commonest_answer"])
    if confusion:
        counts = np.array(confusion["counts"])
        others = report["records_with_target"] - int(counts.sum())
        title = f"{report['target']}: {int(counts.sum()):,} records, all parts shown"
        title += f"; not here: {others:,} of classes that training did not know" if others else ""
        draw_confusion(of_confusion[0], confusion["classes"], counts, title)
    return figure


def draw_reliability(figure: Figure | SubFigure, reliability: Reliability) -> None:
    """How often answers of a confidence are right, and how many have it (Guo et al. 2017). On the
    diagonal confidence is what it says.
    """
    curve, many = figure.subplots(1, 2)
    bins = reliability["bins"]
    confidence = [own["confidence"] for own in bins]
    score = [own["score"] for own in bins]
    curve.plot([0, 1], [0, 1], color=QUIET, linestyle=(0, (4, 2)), linewidth=1, label="as it says")
    curve.vlines(confidence, confidence, score, color=PALE, linewidth=3)
    curve.plot(confidence, score, color=BLUE, marker="o", markersize=4, label="answers")
    curve.set_xlim(0, 1)
    curve.set_ylim(0, 1.02)
    curve.set_xlabel("mean confidence of the answers (0 to 1)")
    curve.set_ylabel(f"their mean {reliability['metric'].replace('_', ' ')}")
    curve.set_title(f"reliability; expected calibration error {reliability['ece']:.3f}")
    curve.legend(loc="upper left")
    many.bar(
        [own["low"] for own in bins],
        [own["records"] for own in bins],
        [own["high"] - own["low"] for own in bins],
        align="edge",
        color=PALE,
        edgecolor=DARK,
        linewidth=0.5,
    )
    in_whole_numbers(many.yaxis)
    many.set_xlim(0, 1)
    many.set_xlabel("confidence (0 to 1)")
    many.set_ylabel("records")
    many.set_title("how many have it")
