"""Charts as SVG within the page: histograms, bars, curves. No script, no style of their own: the
classes are those of ``style.css``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..texts import shown_number
from .markup import Markup, element

_WIDTH, _HEIGHT = 300, 116
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 294, 16, 96
_SIDE = 220
_BINS = 40
_FEWEST_WHOLE = 8  # whole numbers, from which on bars are theirs
_WIDE_RANGE = 200  # from which ratio of the largest to the smallest on the axis is logarithmic


class Axis(NamedTuple):
    """Where numbers lie on [0, 1], by their values or by their logarithms. bins: how many bars.
    margin: how far the ends lie beyond the least and the largest number.
    """

    low: float
    high: float
    is_log: bool = False
    bins: int = _BINS
    margin: float = 0.0

    def place(self, value: np.ndarray | float) -> np.ndarray:
        """[0, 1] for what lies between the ends; beyond them the ends."""
        low, high, values = self.low, self.high, np.asarray(value, np.float64)
        if self.is_log:
            low, high = math.log(low), math.log(high)
            values = np.log(np.maximum(values, self.low))
        return np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)


def axis_of(values: np.ndarray, marks: Sequence[float] = ()) -> Axis:
    """An axis for the middle 99 % of the values, and for marks that lie near to them. Of whole
    numbers each bar holds equally many.
    """
    low, high = (float(end) for end in np.quantile(values, [0.005, 0.995]))
    reach = (high - low) or abs(high) or 1.0
    near = [mark for mark in marks if low - 3 * reach <= mark <= high + 3 * reach]
    low, high = min([low, *near]), max([high, *near])
    if low > 0 and high / low >= _WIDE_RANGE:
        return Axis(low, high, is_log=True)
    if high - low >= _FEWEST_WHOLE and not (values % 1).any():
        low = math.floor(low)
        step = math.ceil((high - low + 1) / _BINS)
        bins = math.ceil((high - low + 1) / step)
        return Axis(low - 0.5, low - 0.5 + step * bins, bins=bins, margin=0.5)
    return Axis(low, high)


def histogram(
    label: str, kept: np.ndarray, refused: np.ndarray, marks: Sequence[float] = ()
) -> Markup:
    """How numbers are distributed: those that are kept, and on top of them those that a rule
    refuses, with a line at each limit. What lies beyond the axis is counted at its ends.
    """
    seen = np.quantile(refused, [0.1, 0.9]).tolist() if len(refused) else []
    axis = axis_of(np.concatenate([kept, refused]), [*marks, *seen])
    edges = np.linspace(0, 1, axis.bins + 1)
    below = np.histogram(axis.place(kept), edges)[0]
    above = np.histogram(axis.place(refused), edges)[0]
    largest = max(1, int((below + above).max()))
    step = (_RIGHT - _LEFT) / axis.bins
    shapes = []
    for number in range(axis.bins):
        x, base = _LEFT + number * step, float(_BOTTOM)
        for counts, kind, least in ((below, "kept", 0.8), (above, "refused", 2.5)):
            if counts[number]:
                tall = max(least, float(counts[number]) / largest * (_BOTTOM - _TOP))
                base -= tall
                shapes.append(_box(x, base, step - 0.6, tall, kind))
    shapes.append(_line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis"))
    for mark in marks:
        x = _LEFT + float(axis.place(mark)) * (_RIGHT - _LEFT)
        shapes.append(_line(x, 4, x, _BOTTOM, "limit"))
        anchor = "end" if x > _WIDTH / 2 else "start"
        shift = -3 if anchor == "end" else 3
        shapes.append(_word(x + shift, 11, shown_number(mark), "limit-word", anchor))
    shapes += [
        _word(_LEFT, 110, shown_number(axis.low + axis.margin), "tick", "start"),
        _word(_RIGHT, 110, shown_number(axis.high - axis.margin), "tick", "end"),
    ]
    if axis.is_log:
        shapes.append(_word(_WIDTH / 2, 110, "logarithmic", "tick", "middle"))
    return _drawing(label, shapes)


def curves(label: str, lines: Mapping[str, Sequence[float | None]]) -> Markup:
    """Numbers by epoch, one line for each name, each on the scale of all."""
    known = [value for line in lines.values() for value in line if value is not None]
    low, high = min(known), max(known)
    last = max(map(len, lines.values())) - 1
    shapes = [_line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")]
    for place, line in enumerate(lines.values()):
        points = [
            f"{_LEFT + (_RIGHT - _LEFT) * epoch / (last or 1):.1f},"
            f"{_BOTTOM - (_BOTTOM - _TOP) * (value - low) / ((high - low) or 1.0):.1f}"
            for epoch, value in enumerate(line)
            if value is not None
        ]
        shapes.append(element("polyline", points=" ".join(points), class_=f"line line-{place}"))
        shapes += [
            element("circle", cx=point.split(",")[0], cy=point.split(",")[1], r="2", class_="point")
            for point in points[-1:]
        ]
    shapes += [
        _word(_LEFT, 11, shown_number(high), "tick", "start"),
        _word(_LEFT + 3, _BOTTOM - 3, shown_number(low), "tick", "start"),
        _word(_LEFT, 110, "epoch 0", "tick", "start"),
        _word(_RIGHT, 110, f"{last}", "tick", "end"),
    ]
    return _drawing(label, shapes)


def reliability(label: str, points: Sequence[tuple[float, float]], metric: str) -> Markup:
    """Mean score over mean confidence, both in [0, 1], and the line on which they are equal."""

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + 14 + (_SIDE - 20) * x, _SIDE - 14 - (_SIDE - 30) * y

    (left, bottom), (right, top) = place(0, 0), place(1, 1)
    shapes = [
        _line(left, bottom, right, bottom, "axis"),
        _line(left, bottom, left, top, "axis"),
        element(
            "line",
            x1=f"{left:.1f}",
            y1=f"{bottom:.1f}",
            x2=f"{right:.1f}",
            y2=f"{top:.1f}",
            class_="axis",
            stroke_dasharray="4 3",
        ),
    ]
    dots = [place(*point) for point in points]
    for (x, y), (confidence, _) in zip(dots, points, strict=True):
        shapes.append(_line(x, place(confidence, confidence)[1], x, y, "limit"))
    joined_dots = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    shapes.append(element("polyline", points=joined_dots, class_="line"))
    shapes += [
        element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5", class_="point") for x, y in dots
    ]
    shapes += [
        _word(left, bottom + 12, "0", "tick", "middle"),
        _word(right, bottom + 12, "1", "tick", "end"),
        _word((left + right) / 2, bottom + 12, "mean confidence", "tick", "middle"),
        _word(left - 3, bottom, "0", "tick", "end"),
        _word(left - 3, top + 4, "1", "tick", "end"),
        _word(left + 4, top - 4, f"mean {metric}", "tick", "start"),
    ]
    return element(
        "svg",
        *shapes,
        viewBox=f"0 0 {_SIDE} {_SIDE}",
        class_="square",
        role="img",
        aria_label=label,
    )


def bar(shares: Sequence[tuple[str, float]]) -> Markup:
    """Parts of a whole in one row; of each its class and its share of the whole width. The numbers
    stand beside it, so that it says nothing to who cannot see it.
    """
    shapes, x = [], 0.0
    for kind, share in shares:
        if share > 0:
            shapes.append(_box(x, 0, max(0.4, 100 * share), 8, kind))
            x += 100 * share
    return element(
        "svg",
        *shapes,
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def interval_bar(low: float, value: float, high: float, axis: Axis) -> Markup:
    """A score with its interval on an axis that all rows share."""
    left, middle, right = (100 * float(axis.place(each)) for each in (low, value, high))
    return element(
        "svg",
        _line(left, 4, right, 4, "axis"),
        _box(middle - 1, 1, 2, 6, "refused"),
        viewBox="-1 0 102 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def wave(samples: np.ndarray) -> Markup:
    """The outline of a sound ``float [T]`` in [-1, 1]: the ends of each stretch."""
    stretches = np.array_split(samples, min(150, max(1, len(samples))))
    tops = [20 - 19 * float(np.clip(each.max(), -1, 1)) for each in stretches]
    floors = [20 - 19 * float(np.clip(each.min(), -1, 1)) + 0.6 for each in stretches]
    step = 160 / len(stretches)
    there = [f"{place * step:.1f},{y:.1f}" for place, y in enumerate(tops)]
    back = [f"{place * step:.1f},{y:.1f}" for place, y in enumerate(floors)][::-1]
    return element(
        "svg",
        element("polygon", points=" ".join(there + back), class_="kept"),
        viewBox="0 0 160 40",
        class_="wave",
        role="img",
        aria_label="outline of the sound",
    )


def _drawing(label: str, shapes: Sequence[Markup]) -> Markup:
    return element(
        "svg",
        *shapes,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="chart",
        role="img",
        aria_label=label,
    )


def _box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return element(
        "rect",
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        width=f"{width:.2f}",
        height=f"{height:.1f}",
        class_=kind,
    )


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> Markup:
    return element(
        "line", x1=f"{x:.1f}", y1=f"{y:.1f}", x2=f"{to_x:.1f}", y2=f"{to_y:.1f}", class_=kind
    )


def _word(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return element("text", text, x=f"{x:.1f}", y=y, class_=kind, text_anchor=anchor)
