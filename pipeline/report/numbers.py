"""How all numbers of the parts are distributed, kept or not."""

from __future__ import annotations

import numpy as np

from ...schemas.quantity import Quantity
from ..texts import shown_number
from .charts import histogram
from .markup import Markup, count_of, element, grid, section
from .output import Output

_MOST = 160


def numbers_section(output: Output) -> Markup | None:
    """A histogram of each fact and signal by part; None where nothing is known."""
    if output.parts is None:
        return None
    blocks: list[Markup | None] = []
    left, hidden = _MOST, 0
    for part, kind in output.parts.kinds.items():
        charts: list[Markup] = []
        constants: list[str] = []
        for name in output.parts.number_names():
            values = output.parts.numbers(part, name)
            quantity = output.parts.quantity(part, name)
            if not len(values) or (quantity is not None and quantity.is_code):
                continue
            if values.min() == values.max():
                unit = quantity.unit if quantity else ""
                constants.append(f"{name} {shown_number(float(values[0]))} {unit}".strip())
            elif len(charts) < left:
                charts.append(_chart(part, name, values, quantity))
            else:
                hidden += 1
        left -= len(charts)
        if charts or constants:
            same = element("p", f"The same wherever it is known: {', '.join(constants)}.")
            blocks += [
                element("h3", f"{part} ({kind})"),
                grid(*charts),
                same if constants else None,
            ]
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


def _chart(part: str, name: str, values: np.ndarray, quantity: Quantity | None) -> Markup:
    low, median, high = (shown_number(float(each)) for each in np.quantile(values, [0, 0.5, 1]))
    unit = f", {quantity.unit}" if quantity and quantity.unit else ""
    about = f"{quantity.about}. " if quantity else ""
    said = f"{about}{len(values):,} known, {low} to {high}, median {median}"
    return element(
        "figure",
        element("figcaption", element("b", f"{name}{unit}"), f" {said}"),
        histogram(f"Histogram of {part}.{name}{unit}: {said}", values, np.zeros(0)),
    )
