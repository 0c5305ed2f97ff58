"""The records that a model answers worst, with what they hold."""

from __future__ import annotations

from typing import Any

from .examples import Gallery
from .markup import Markup, data_table, folded, joined, shortened
from .output import Output

_RECORDS = 12
_WITH_MEDIA = 6
_PARTS = 4


# Any: training wrote it by its own types, which stand on torch
def worst_of(output: Output, report: dict[str, Any], gallery: Gallery) -> Markup | None:
    """A table of them, and the parts of the first, folded; None where none is known."""
    worst = report.get("worst", [])[:_RECORDS]
    if not worst:
        return None
    rows: list[list[object]] = [
        [
            shortened(own["key"], 80),
            _said(own["right"]),
            _said(own["answered"]),
            "–" if own["confidence"] is None else f"{own['confidence']:.3f}",
            f"{own['loss']:.3f}",
        ]
        for own in worst
    ]
    caption = f"Answered worst on {report['split']}, all parts shown"
    columns = ["key", "right", "answered", "confidence", "loss"]
    table = data_table(caption, columns, rows, "   nn")
    if output.parts is None:
        return table
    answers = {own["key"]: own for own in worst[:_WITH_MEDIA]}
    found = output.parts.of_keys(list(answers))
    parts = [
        row
        for key in answers
        for row in [row for row in found.get(key, []) if row["fate"] == "written"][:_PARTS]
    ]
    if not parts:
        return table
    shown = gallery.figures(
        parts,
        lambda row: (
            f"right {_said(answers[row['key']]['right'])}, answered"
            f" {_said(answers[row['key']]['answered'])}"
        ),
    )
    return joined(table, folded(f"The first {len(answers)} of them, with their parts", shown))


def _said(answer: object) -> str:
    """An answer, or several of which some are the same."""
    if isinstance(answer, list):
        return shortened(", ".join(dict.fromkeys(map(str, answer))), 80)
    if isinstance(answer, float):
        return f"{answer:.4g}"
    return "–" if answer is None else shortened(str(answer), 80)
