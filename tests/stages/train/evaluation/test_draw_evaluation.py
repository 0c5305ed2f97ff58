"""The picture of an evaluation, and that of robustness: every axis says what it shows."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib import rc_context
from modalmill.stages.train.evaluation.draw_evaluation import draw_evaluation
from modalmill.stages.train.evaluation.draw_robustness import draw_robustness
from modalmill.stages.train.evaluation.drawing import STYLE
from pictures import overlaps, without_labels

SUBSETS = {
    "image+note": {"accuracy": 0.9, "low": 0.8, "high": 0.95},
    "image": {"accuracy": 0.5, "low": 0.4, "high": 0.6},
    "note": {"accuracy": 0.7, "low": 0.6, "high": 0.8},
    "(nothing)": {"accuracy": 0.4, "low": 0.3, "high": 0.5},
}
BINS = [
    {"low": 0.0, "high": 0.5, "records": 30, "confidence": 0.4, "score": 0.3},
    {"low": 0.5, "high": 1.0, "records": 10, "confidence": 0.9, "score": 1.0},
]
REPORT: dict[str, Any] = {
    "target": "answer",
    "split": "test",
    "metric": "accuracy",
    "records_with_target": 42,
    "subsets": SUBSETS,
    "commonest_answer": 0.4,
    "confusion": {"classes": ["yes", "no"], "counts": [[20, 5], [5, 10]]},
    "reliability": {"metric": "accuracy", "ece": 0.1, "bins": BINS},
    "all": 0.9,
    "none": 0.4,
    "worth": {"image": 0.15, "note": 0.35},
    "curves": {f"by {name}": {0.0: 0.9, 0.5: 0.8} for name in "abcdef"},
    "areas": {f"by {name}": 0.85 for name in "abcdef"},
}


@pytest.mark.parametrize(
    "lacking", [(), ("confusion",), ("reliability",), ("confusion", "reliability")]
)
def test_an_evaluation_is_drawn_with_what_it_has(lacking: tuple[str, ...]) -> None:
    with rc_context(STYLE):
        figure = draw_evaluation({key: REPORT[key] for key in REPORT if key not in lacking})  # type: ignore[arg-type]
        assert overlaps(figure) == []
        assert without_labels(figure) == []
    titles = " ".join(axes.get_title(loc="left") for axes in figure.axes)
    assert ("calibration error 0.100" in titles) == ("reliability" not in lacking)
    assert ("answer: 40 records" in titles) == ("confusion" not in lacking)
    assert ("2 of classes that training did not know" in titles) == ("confusion" not in lacking)


def test_curves_differ_in_more_than_their_colour_and_a_flat_one_looks_flat() -> None:
    flat = {**REPORT, "curves": {name: {0.0: 0.4, 0.5: 0.4} for name in REPORT["curves"]}}
    with rc_context(STYLE):
        figure = draw_robustness(REPORT)  # type: ignore[arg-type]
        assert overlaps(figure) == []
        assert without_labels(figure) == []
        low, high = draw_robustness(flat).axes[2].get_ylim()  # type: ignore[arg-type]
    curves = figure.axes[2].lines[:6]
    assert len({(line.get_marker(), line.get_linestyle()) for line in curves}) == 6
    assert high - low == pytest.approx(0.11)
    worth = figure.axes[3]
    assert [bar.get_width() for bar in worth.patches] == [0.35, 0.15]
    assert "+0.500" in worth.get_xlabel(), "all parts minus none, as the values add up to"
