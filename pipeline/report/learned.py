"""What training left: its curves, what each subset of the parts answers, calibration, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .charts import Axis, bar, curves, interval_bar
from .markup import Markup, count_of, data_table, element, grid, joined, section, shortened
from .output import Output, read_json, read_json_lines

_SUBSETS = 40
_CLASSES = 16
_CONFUSED = 12
_NOTHING = "(nothing)"


def learned_section(output: Output) -> Markup | None:
    """Of what lies in ``OUT/training``; None where nothing does."""
    folder = output.folder.training
    blocks = [
        _curves(read_json_lines(folder / "log.jsonl")),
        _evaluation(read_json(folder / "evaluation.json")),
        _robustness(folder),
    ]
    if not any(blocks):
        return None
    return section("training", "Training", *blocks)


# Any: training wrote these by its own types, which stand on torch
def _curves(lines: Sequence[dict[str, Any]]) -> Markup | None:
    if not lines:
        return None
    seconds = sum(line["seconds"] for line in lines)
    charts = []
    for name, about in (("loss", "of the training split"), ("validation", "score")):
        values = [line.get(name) for line in lines]
        known = [value for value in values if value is not None]
        if known:
            said = f"{about}, from {known[0]:.4g} to {known[-1]:.4g}"
            chart = curves(f"Curve of {name} by epoch: {said}", {name: values})
            caption = element("figcaption", element("b", name), f" {said}")
            charts.append(element("figure", caption, chart))
    rate = lines[-1]["records_per_s"]
    return joined(
        element(
            "p",
            f"{count_of(len(lines), 'epoch')} in {seconds:,.0f} s, {rate:,.0f} records/s in the"
            f" last one, bound by {lines[-1]['bound_by']}.",
        ),
        grid(*charts),
    )


def _evaluation(report: dict[str, Any] | None) -> Markup | None:
    if report is None:
        return None
    metric, subsets = report["metric"], report["subsets"]
    chosen = (
        " The best epoch was chosen on this split, so these scores are too good."
        if report.get("chosen_on_this_split")
        else ""
    )
    return joined(
        element(
            "p",
            f"{report['target']} on {report['split']}: {metric} {report['all']:.3f} with all parts"
            f" of {count_of(report['records_with_target'], 'record')}; the commonest answer alone"
            f" {report['commonest_answer']:.3f}.{chosen}",
        ),
        _subsets(f"{metric} by the parts that the model may see (●)", metric, subsets),
        _confusion(report.get("confusion")),
    )


def _robustness(folder: Path) -> Markup | None:
    report = read_json(folder / "robustness.json")
    if report is None:
        return None
    metric = report["metric"]
    caption = f"{metric} by the parts that the model may see (●), with its 95 % interval"
    return _subsets(caption, metric, report["subsets"])


def _subsets(caption: str, metric: str, subsets: Mapping[str, Mapping[str, float]]) -> Markup:
    """Subsets of the parts as a matrix of dots, the best first."""
    parts = sorted({part for name in subsets for part in name.split("+") if name != _NOTHING})
    order = sorted(subsets, key=lambda name: (-subsets[name][metric], name))
    has_interval = all("low" in own for own in subsets.values())
    scores = [own[key] for own in subsets.values() for key in _scores(metric, has_interval)]
    axis = Axis(min(0.0, *scores), max(1e-9, *scores), False)
    columns = [metric, *(["low", "high"] if has_interval else []), ""]
    more = [
        name for name in ("loss", "ece", "brier") if all(name in own for own in subsets.values())
    ]
    rows: list[list[object]] = []
    for name in order[:_SUBSETS]:
        own, there = subsets[name], name.split("+")
        score = own[metric]
        drawn = (
            interval_bar(own["low"], score, own["high"], axis)
            if has_interval
            else bar([("kept", float(axis.place(score)))])
        )
        rows.append(
            [
                f"{score:.3f}",
                *(f"{own[end]:.3f}" for end in ("low", "high") if has_interval),
                drawn,
                *("●" if part in there else "–" for part in parts),
                *(f"{own[word]:.3f}" for word in more),
            ]
        )
    kinds = "n" * (len(columns) - 1) + " " + "." * len(parts) + "n" * len(more)
    left = len(order) - _SUBSETS
    return joined(
        data_table(
            f"{caption}. ece: expected calibration error.", [*columns, *parts, *more], rows, kinds
        ),
        element("p", f"Not shown: {count_of(left, 'subset')} that score less.")
        if left > 0
        else None,
    )


def _scores(metric: str, has_interval: bool) -> tuple[str, ...]:
    return (metric, "low", "high") if has_interval else (metric,)


def _confusion(confusion: dict[str, Any] | None) -> Markup | None:
    """Rows: right; columns: answered. Of many classes the pairs that are confused most."""
    if not confusion or not confusion["counts"]:
        return None
    classes, counts = confusion["classes"], np.array(confusion["counts"])
    if len(classes) > _CLASSES:
        return _confused(classes, counts)
    largest = counts.max() or 1
    rows: list[list[object]] = [
        [shortened(name, 40), *(_cell(int(count), count / largest) for count in counts[place])]
        for place, name in enumerate(classes)
    ]
    columns = ["right \\ answered", *(shortened(name, 40) for name in classes)]
    return data_table("Confusion, in records", columns, rows, " " + "n" * len(classes))


def _cell(count: int, share: float) -> Markup:
    level = 0 if not count else 1 + min(3, int(4 * share))
    return element("span", f"{count:,}" if count else "–", class_=f"heat heat-{level}")


def _confused(classes: Sequence[str], counts: np.ndarray) -> Markup | None:
    pairs = [
        (int(counts[right, answered]), classes[right], classes[answered])
        for right, answered in np.argwhere(counts)
        if right != answered
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    if not pairs:
        return None
    rows: list[list[object]] = [
        [shortened(right, 80), shortened(answered, 80), f"{count:,}"]
        for count, right, answered in pairs[:_CONFUSED]
    ]
    caption = f"What is confused most, of {len(classes):,} classes"
    return data_table(caption, ["right", "answered", "records"], rows, "  n")
