"""What training left: its curves, what each subset of the parts answers, calibration, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...schemas.plain_text import decimals
from .charts import curves
from .confused import confusion_table
from .examples import Gallery
from .markup import Markup, count_of, element, grid, joined, section
from .output import Output, read_json, read_json_lines
from .reliability import reliability_of
from .subsets import subsets_table, worth_table
from .worst import worst_of


def learned_section(output: Output, gallery: Gallery) -> Markup | None:
    """Of what lies in ``OUT/training``; None where nothing does."""
    folder = output.folder.training
    blocks = [
        _curves(read_json_lines(folder / "log.jsonl")),
        *_evaluations(output, gallery),
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


def _evaluations(output: Output, gallery: Gallery) -> list[Markup]:
    """The evaluation that ended training, and those of other splits."""
    folder = output.folder.training
    paths = [folder / "evaluation.json", *sorted(folder.glob("evaluation-*.json"))]
    found = [report for path in paths if (report := read_json(path)) is not None]
    return [_evaluation(output, report, gallery) for report in found]


def _evaluation(output: Output, report: dict[str, Any], gallery: Gallery) -> Markup:
    metric, subsets = report["metric"], report["subsets"]
    chosen = (
        " The best epoch was chosen on this split, so these scores are too good."
        if report.get("chosen_on_this_split")
        else ""
    )
    return joined(
        element("h3", f"On the split {report['split']}"),
        element(
            "p",
            f"{report['target']} on {report['split']}: {metric} {decimals(report['all'])} with all"
            f" parts of {count_of(report['records_with_target'], 'record')};"
            f" the commonest answer alone {decimals(report['commonest_answer'])}.{chosen}",
        ),
        subsets_table(f"{metric} by the parts that the model may see (●)", metric, subsets),
        worth_table(metric, subsets),
        reliability_of(report.get("reliability")),
        confusion_table(report.get("confusion")),
        worst_of(output, report, gallery),
    )


def _robustness(folder: Path) -> Markup | None:
    report = read_json(folder / "robustness.json")
    if report is None:
        return None
    metric = report["metric"]
    caption = f"{metric} by the parts that the model may see (●), with its 95 % interval"
    return subsets_table(caption, metric, report["subsets"])
