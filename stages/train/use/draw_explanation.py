"""The picture of an explanation: what each part adds, and of each part, in a row of its own, what
it is, what its places, words or moments carried, where the fusion looked, and what the encoder saw.

A picture is shown as it is; what its places carried is drawn beside it over a pale copy, as lines
of equal height: whole ones speak for the answer, dashed ones against it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from torch import Tensor

from ..evaluation.drawing import (
    BLUE,
    DARK,
    ORANGE,
    PALE,
    QUIET,
    below,
    labels_of,
    sheet,
    shortened_name,
)
from .feature_maps import FeatureMaps, mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .explain import Explained

_COLUMN_IN, _ROW_IN = 4.2, 3.0
_MOST_TOKENS = 24
_LEVELS = 4


class _Shown(NamedTuple):
    """What a column of the picture shows of a part: values of its tokens, or feature maps."""

    title: str
    unit: str
    values: Sequence[float]
    signed: bool


def draw_explanation(
    report: Explained,
    parts: Mapping[str, Tensor],
    maps: Mapping[str, list[FeatureMaps]],
    rates_hz: Mapping[str, float],
) -> Figure:
    """The figure of a report on one record. parts: as the model saw them, a batch of one. rates_hz:
    of those that are samples of a sound.
    """
    shown = list(report["carried"])
    columns = 2 + bool(report["attention"]) + bool(maps)
    worth_in = 1.5 + 0.26 * len(report["worth"])
    figure = sheet(_COLUMN_IN * columns, worth_in + _ROW_IN * len(shown) + 0.4)
    top = report["answers"][0]
    sure = f" ({top['probability']:.1%})" if "probability" in top else ""
    explained, answer = (
        shortened_name(str(word), 60) for word in (report["explained"], top["answer"])
    )
    figure.suptitle(
        f"{shortened_name(report['target'])}: {explained}   (the model answers {answer}{sure})",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    of_worth, of_parts = below(figure, worth_in, _ROW_IN * max(1, len(shown)))
    _draw_worth(of_worth.subplots(), report)
    if not shown:
        return figure
    cells = of_parts.subplots(len(shown), columns, squeeze=False)
    for row, name in zip(cells, shown, strict=True):
        _draw_part(list(row), name, report, parts[name][0], maps.get(name), rates_hz.get(name))
    return figure


def _draw_worth(axes: Axes, report: Explained) -> None:
    parts = sorted(report["worth"], key=lambda part: -report["worth"][part])
    values = [report["worth"][part] for part in parts]
    axes.barh(range(len(parts)), values, height=0.66, color=_colours(values))
    reach = max(map(abs, values)) or 1.0
    for place, value in enumerate(values):
        at = value + (0.02 if value >= 0 else -0.02) * reach
        side = "left" if value >= 0 else "right"
        axes.text(at, place, f"{value:+.3f}", va="center", ha=side, fontsize=8)
    least = min([*values, 0.0])
    axes.set_xlim(least - 0.2 * reach if least < 0 else 0, 1.2 * reach)
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(parts)), labels_of(parts))
    axes.set_ylabel("part")
    whole = report["without_anything"]
    what = "probability" if "probability" in report["answers"][0] else "number"
    axes.set_xlabel(
        f"what the part adds to the answer's {what} (Shapley value); with nothing shown it is"
        f" {whole:.3f}"
    )


def _draw_part(
    axes: list[Axes],
    name: str,
    report: Explained,
    part: Tensor,
    maps: list[FeatureMaps] | None,
    rate_hz: float | None,
) -> None:
    """A row: the part, what its tokens carried, where the fusion looked, what the encoder saw."""
    entry, short = report["carried"][name], labels_of([name])[0]
    is_picture = _side(entry["values"], part) > 0
    first, *others = axes
    if is_picture:
        _draw_picture(first, part)
        first.set_title(f"{short}, as the model saw it")
        first.set_axis_off()
    elif rate_hz is not None:
        first.plot(np.arange(len(part)) / rate_hz, part.float().numpy(), color=QUIET, linewidth=0.4)
        first.set_title(f"{short}, as the model saw it")
        first.set_xlabel("seconds")
        first.set_ylabel("amplitude")
    else:
        first.set_axis_off()
        first.set_title(f"{short}: {_count(entry['tokens'])}")
        if isinstance(entry["tokens"], list):
            lines = textwrap.wrap(" ".join(entry["tokens"]), 44, max_lines=12, placeholder=" …")
            first.text(0, 1, "\n".join(lines), va="top", fontsize=8, transform=first.transAxes)
    columns = [_Shown("what carried the answer", "added to its logit", entry["values"], True)]
    if report["attention"]:
        looked = report["attention"].get(name, [])
        title = f"where the fusion looked ({sum(looked):.0%} of all)"
        columns.append(_Shown(title, "share of the attention", looked, False))
    for cell, column in zip(others, columns, strict=False):
        if not column.values:
            cell.set_axis_off()
            continue
        cell.set_title(column.title)
        if is_picture:
            _draw_over(cell, column, part)
        else:
            _draw_bars(cell, column, entry["tokens"])
    if len(others) > len(columns):
        _draw_maps(others[-1], maps, low_first=part.dim() == 1)


def _count(tokens: list[str] | int) -> str:
    if isinstance(tokens, list):
        tokens = len(tokens)
    return f"{tokens:,} token{'' if tokens == 1 else 's'}"


def _draw_picture(axes: Axes, part: Tensor, pale: float = 0.0) -> None:
    """The picture, whitened by so much."""
    pixels = np.clip(part.float().numpy(), 0, 255) / 255
    axes.imshow(pixels + (1 - pixels) * pale)


def _draw_over(axes: Axes, shown: _Shown, part: Tensor) -> None:
    """Lines of equal height of what the places have, over a pale copy of the picture."""
    side = _side(shown.values, part)
    most = max(1e-12, float(np.abs(shown.values).max()))
    places = np.array(shown.values, np.float32).reshape(side, side)
    height, width = part.shape[:2]
    # cubic interpolation overshoots; what no place has is not drawn
    spread = cv2.resize(places, (width, height), interpolation=cv2.INTER_CUBIC)
    spread = np.clip(spread, -most, most)
    _draw_picture(axes, part, pale=0.45)
    # attention is nowhere 0: its lines lie between its ends
    least = 0.0 if shown.signed else float(places.min())
    steps = least + (most - least) * (np.arange(_LEVELS) + 1) / (_LEVELS + 1)
    for sign, colour, line in ((1, BLUE, "solid"), (-1, ORANGE, "dashed")):
        if (sign * spread > steps[0]).any():
            axes.contour(
                sign * spread,
                levels=steps,
                colors=colour,
                linestyles=line,
                linewidths=np.linspace(0.8, 2.4, _LEVELS),
            )
    axes.set_xticks([])
    axes.set_yticks([])
    sides = "whole lines: for it, dashed: against it\n" if shown.signed else ""
    axes.set_xlabel(f"{sides}{shown.unit}, thicker for more; most {most:.3g} a place", fontsize=8)


def _draw_bars(axes: Axes, shown: _Shown, tokens: list[str] | int) -> None:
    """A bar for each token; of more than 24 those that carry most, in their order."""
    values = np.array(shown.values)
    chosen = np.sort(np.argsort(-np.abs(values), kind="stable")[:_MOST_TOKENS])
    axes.bar(
        range(len(chosen)),
        values[chosen],
        color=_colours(values[chosen]) if shown.signed else QUIET,
    )
    if isinstance(tokens, list):
        names = [shortened_name(tokens[place], 16) for place in chosen if place < len(tokens)]
        turned = 90 if len(names) > 4 or max(map(len, names)) > 8 else 0
        axes.set_xticks(range(len(names)), names, fontsize=7, rotation=turned)
    elif len(chosen) < len(values):
        axes.set_xticks(
            range(len(chosen)), [str(place) for place in chosen], fontsize=6, rotation=90
        )
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    what = "token" if isinstance(tokens, list) else "token, in its order"
    left = len(values) - len(chosen)
    axes.set_xlabel(what + (f"; not shown: {left:,} that have less" if left else ""), fontsize=8)
    axes.set_ylabel(shown.unit, fontsize=8)


def _draw_maps(axes: Axes, maps: list[FeatureMaps] | None, low_first: bool) -> None:
    """What the first and the last convolution of the encoder make of the part."""
    axes.set_axis_off()
    if maps:
        axes.imshow(mosaic(maps, low_first=low_first), cmap="gray")
        said = [
            f"{where} convolution ({conv.layer})"
            for where, conv in zip(("first", "last"), maps, strict=False)
        ]
        lines = ["what the encoder sees, channels that vary most:", *said]
        axes.set_title("\n".join(lines), fontsize=8)


def _side(values: Sequence[float], part: Tensor) -> int:
    """How many places a picture has in each direction; 0 for what is no picture."""
    side = round(len(values) ** 0.5)
    return side if part.dim() == 3 and side * side == len(values) else 0


def _colours(values: Sequence[float] | np.ndarray) -> list[str]:
    """For the answer, against it; which is also where a bar points."""
    return [BLUE if value >= 0 else ORANGE for value in values]
