"""``robustness.png``: every subset of the parts with its interval, what absence costs by how much
is absent, and what each part is worth.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from .drawing import (
    BLUE,
    DARK,
    ORANGE,
    QUIET,
    below,
    beside,
    draw_subsets,
    height_of_rows,
    labels_of,
    rows_shown,
    sheet,
    unit_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from .robustness import Robustness

_LEFT_IN, _RIGHT_IN = 7.6, 5.6
_CURVES_IN = 4.2
# told apart without their colours: by mark and line
_MARKS = "os^vDPX"
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))


def draw_robustness(report: Robustness) -> Figure:
    """The picture of a report."""
    metric = report["metric"]
    rows = len(rows_shown({name: own[metric] for name, own in report["subsets"].items()}))
    worth_in = 1.3 + 0.28 * len(report["worth"])
    figure = sheet(_LEFT_IN + _RIGHT_IN, max(height_of_rows(rows), _CURVES_IN + worth_in))
    figure.suptitle(
        f"{report['target']} on {report['split']}: {report['records_with_target']:,} records,"
        " without some of their parts",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    left, right = beside(figure, _LEFT_IN, _RIGHT_IN)
    of_curves, of_worth = below(right, _CURVES_IN, worth_in)
    draw_subsets(left, report["subsets"], metric, report["split"], report["commonest_answer"])
    _draw_curves(of_curves, report)
    _draw_worth(of_worth, report)
    return figure


def _draw_curves(figure: Figure | SubFigure, report: Robustness) -> None:
    axes = figure.subplots()
    marks, lines = itertools.cycle(_MARKS), itertools.cycle(_LINES)
    colours = itertools.cycle((BLUE, ORANGE, DARK, QUIET))
    for (mechanism, curve), name in zip(
        report["curves"].items(), labels_of(list(report["curves"])), strict=True
    ):
        axes.plot(
            [100 * float(rate) for rate in curve],
            list(curve.values()),
            color=next(colours),
            marker=next(marks),
            markersize=5,
            markerfacecolor="white",
            linestyle=next(lines),
            label=f"{name} ({report['areas'][mechanism]:.3f})",
        )
    axes.axhline(report["commonest_answer"], color=QUIET, linewidth=0.8)
    values = [value for curve in report["curves"].values() for value in curve.values()]
    values.append(report["commonest_answer"])
    # a flat line is to look flat
    middle, reach = (max(values) + min(values)) / 2, max(max(values) - min(values), 0.1)
    axes.set_ylim(middle - 0.55 * reach, middle + 0.55 * reach)
    axes.set_xlabel("parts hidden (%)\nthin line: always the commonest answer")
    axes.set_ylabel(unit_of(report["metric"]))
    axes.set_title("what absence costs, by what decides on it (mean height)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), handlelength=3.2)


def _draw_worth(figure: Figure | SubFigure, report: Robustness) -> None:
    """The Shapley value of each part, whose sum is all parts minus none."""
    axes = figure.subplots()
    parts = sorted(report["worth"], key=lambda part: -report["worth"][part])
    values = [report["worth"][part] for part in parts]
    axes.barh(range(len(parts)), values, height=0.66, color=BLUE)
    reach = max(map(abs, values)) or 1.0
    for place, value in enumerate(values):
        at = value + (0.03 if value >= 0 else -0.03) * reach
        side = "left" if value >= 0 else "right"
        axes.text(at, place, f"{value:+.3f}", va="center", ha=side, fontsize=8)
    axes.axvline(0, color=DARK, linewidth=0.8)
    least = min([*values, 0.0])
    axes.set_xlim(least - 0.35 * reach if least < 0 else 0, 1.35 * reach)
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_yticks(range(len(parts)), labels_of(parts))
    axes.set_ylabel("part")
    axes.set_xlabel(
        f"Shapley value, in {report['metric'].replace('_', ' ')}; together all parts minus none,"
        f" {report['all'] - report['none']:+.3f}"
    )
    axes.set_title("what each part is worth")
