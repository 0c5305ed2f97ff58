"""What ``modalmill compare`` left: methods side by side, on the test split or over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...schemas.plain_text import decimals
from .charts import Axis, bar, interval_bar
from .markup import Markup, count_of, data_table, element, joined, section, shortened
from .output import read_json

_ROWS = 40
_FOLDS = 12


def compared_section(path: Path) -> Markup | None:
    """Of ``compare.json`` or ``folds.json``; None where there is none, or it has no methods."""
    report = read_json(path)
    if report is None or not report["methods"]:
        return None
    over = " over folds" if "folds" in report else ""
    return section(path.stem, f"Methods compared{over}", _comparison(report))


# Any: comparing wrote it by types of its own
def _comparison(report: dict[str, Any]) -> Markup:
    metric = report["metric"]
    order = sorted(report["methods"], key=lambda row: (-row["all"], row["method"]))
    axis = _axis(order)
    rows: list[list[object]] = [
        [
            shortened(row["method"], 120),
            decimals(row["all"]),
            "–" if row["deviation"] is None else decimals(row["deviation"]),
            _drawn(row, axis),
            decimals(row["mean_of_subsets"]),
            f"{decimals(row['worst'])} ({shortened(row['worst_subset'], 40)})",
            decimals(row["loss"]),
            "–" if row["ece"] is None else decimals(row["ece"]),
            f"{row['parameters']:,}",
        ]
        for row in order[:_ROWS]
    ]
    folds = report.get("folds", [])
    over = f"{count_of(len(folds), 'fold')}, " if folds else ""
    caption = (
        f"{metric} over {over}{count_of(report['seeds'], 'seed')}, the best first; deviation:"
        f" standard deviation over {'folds' if folds else 'seeds'}"
    )
    columns = [
        "method",
        metric,
        "deviation",
        "",
        "of subsets",
        "worst",
        "loss",
        "ece",
        "parameters",
    ]
    left = [f"{name}: {why}" for name, why in report.get("left_out", {}).items()]
    more = len(order) - _ROWS
    return joined(
        data_table(caption, columns, rows, " nn nnnnn"),
        element("p", f"Not shown: {more:,} that score less.") if more > 0 else None,
        _of_folds(order, folds, metric),
        element("p", "Not tried: ", shortened("; ".join(left), 600)) if left else None,
    )


def _axis(rows: Sequence[Mapping[str, Any]]) -> Axis:
    scores = [row["all"] + sign * (row["deviation"] or 0.0) for row in rows for sign in (-1, 1)]
    return Axis(min(0.0, *scores), max(1e-9, *scores))


def _drawn(row: Mapping[str, Any], axis: Axis) -> Markup:
    score, spread = row["all"], row["deviation"]
    if spread is None:
        return bar([("kept", float(axis.place(score)))])
    return interval_bar(score - spread, score, score + spread, axis)


def _of_folds(
    rows: Sequence[Mapping[str, Any]], folds: Sequence[str], metric: str
) -> Markup | None:
    if not folds:
        return None
    shown = folds[:_FOLDS]
    cells: list[list[object]] = [
        [
            shortened(row["method"], 120),
            *(
                decimals(row["folds"][fold][metric]) if fold in row["folds"] else "–"
                for fold in shown
            ),
        ]
        for row in rows[:_ROWS]
        if "folds" in row
    ]
    more = len(folds) - len(shown)
    return joined(
        data_table(f"{metric} on each fold", ["method", *shown], cells, " " + "n" * len(shown)),
        element("p", f"Not shown: {count_of(more, 'fold')} more.") if more > 0 else None,
    )
