"""How all numbers of the parts are distributed, kept or not."""

from __future__ import annotations

import numpy as np

from ..texts import shown_number
from .charts import histogram
from .markup import Markup, count_of, element, folded, grid, section
from .output import Output
from .part_table import PartTable

_MOST = 160


def numbers_section(output: Output) -> Markup | None:
    """A histogram of each fact and signal by part; None where nothing is known."""
    if output.parts is None:
        return None
    blocks, left = [], _MOST
    hidden = 0
    for part, kind in output.parts.kinds.items():
        charts = []
        for name in output.parts.number_names():
            chart = _chart(output.parts, part, name)
            if chart is None:
                continue
            if left:
                charts.append(chart)
                left -= 1
            else:
                hidden += 1
        if charts:
            title = f"{part} ({kind}): {count_of(len(charts), 'number')}"
            blocks.append(folded(title, grid(*charts), is_open=True))
    if not blocks:
        return None
    return section(
        "numbers",
        "Facts and signals",
        element(
            "p",
            "All parts, kept or not. The axis holds the middle 99 %; what lies beyond is counted at"
            " its ends.",
            class_="quiet",
        ),
        *blocks,
        element("p", f"Not shown: {count_of(hidden, 'number')} more.") if hidden else None,
    )


def _chart(parts: PartTable, part: str, name: str) -> Markup | None:
    """A number of one part; None where it is not known, or always the same."""
    values = parts.numbers(part, name).values
    quantity = parts.quantity(part, name)
    if not len(values) or (quantity is not None and quantity.is_code):
        return None
    low, median, high = (float(each) for each in np.quantile(values, [0, 0.5, 1]))
    unit = f", {quantity.unit}" if quantity and quantity.unit else ""
    about = f"{quantity.about}. " if quantity else ""
    if low == high:
        said = f"{about}{shown_number(low)} in all {len(values):,}"
        return element("figure", element("figcaption", element("b", f"{name}{unit}"), f" {said}"))
    said = (
        f"{about}{len(values):,} known, {shown_number(low)} to {shown_number(high)},"
        f" median {shown_number(median)}"
    )
    return element(
        "figure",
        element("figcaption", element("b", f"{name}{unit}"), f" {said}"),
        histogram(f"Histogram of {part}.{name}{unit}: {said}", values, np.zeros(0)),
    )
