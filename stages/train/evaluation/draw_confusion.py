"""Which class was answered for which, as a matrix that can be read with 2, with 32 and with 200
classes.

Colour is the share of the records of a class, so that rare classes are seen as well as common ones;
what is 0 is white. Up to 40 classes have their names and counts; of more, the pairs that are
confused most are listed beside the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .drawing import (
    BLUE,
    DARK,
    PALE,
    QUIET,
    below,
    in_whole_numbers,
    labels_of,
    lacking,
    shortened_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MOST_NAMED = 40
_PAIRS = 25
_CELL_IN = 0.27
_COLOURS = "Blues"  # of one hue, darker for more: the same in grey
_DARK_FROM = 0.55


def size_of_confusion(classes: int) -> tuple[float, float]:
    """The inches that a matrix of so many classes wants, with what stands around it."""
    if classes > MOST_NAMED:
        return 6.4, 11.2
    side = max(1.8, classes * _CELL_IN)
    return side + 3.4, side + 2.6


def draw_confusion(
    figure: Figure | SubFigure, classes: Sequence[str], counts: np.ndarray, title: str
) -> None:
    """The matrix ``counts[right, answered]`` in records, and of many classes what is confused
    most.
    """
    many = len(classes) > MOST_NAMED
    if many:
        figure, of_pairs = below(figure, 6, 5)
        _draw_pairs(of_pairs.subplots(), classes, counts)
    axes = figure.subplots()
    of_class = counts.sum(1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.zeros(counts.shape), where=of_class > 0)
    image = axes.imshow(
        np.ma.masked_equal(shares, 0), cmap=_COLOURS, vmin=0, vmax=1, interpolation="none"
    )
    axes.spines[:].set_visible(True)
    bar = figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.03, 1)))
    bar.set_label("share of the class's records", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    axes.set_title(title)
    where = "class, by its number in evaluation.json" if many else "class"
    axes.set_xlabel(f"answered {where}")
    axes.set_ylabel(f"right {where}")
    if not many:
        _name(axes, classes, counts, shares)


def _name(axes: Axes, classes: Sequence[str], counts: np.ndarray, shares: np.ndarray) -> None:
    """Names at both sides, a number in each cell, and lines between them."""
    count = len(classes)
    size = 9.0 if count <= 12 else 7.0
    names = labels_of(classes)
    axes.set_xticks(range(count), names, fontsize=size, rotation=90 if count > 2 else 0)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PALE, linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    size = 9.0 if count <= 12 else 6.0
    for right, answered in np.argwhere(counts):
        dark = shares[right, answered] >= _DARK_FROM
        axes.text(
            answered,
            right,
            _short(int(counts[right, answered])),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if dark else DARK,
        )


def _short(number: int) -> str:
    """A count in four letters: 9999, 12k, 3M."""
    if number >= 1_000_000:
        return f"{number // 1_000_000}M"
    return f"{number // 1_000}k" if number >= 10_000 else str(number)


def _numbered(classes: Sequence[str], place: int) -> str:
    """A class with its number, which is on the axes of the matrix."""
    name = "" if lacking(classes[place]) else shortened_name(classes[place], 24)
    return f"{name} #{place}".strip()


def _draw_pairs(axes: Axes, classes: Sequence[str], counts: np.ndarray) -> None:
    """The pairs that are confused most, with how often."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(place), len(classes)) for place in order if wrong.flat[place]]
    shown = [" → ".join(_numbered(classes, place) for place in pair) for pair in pairs]
    values = [int(wrong[pair]) for pair in pairs]
    axes.barh(range(len(pairs)), values, color=BLUE, height=0.7)
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:,}", va="center", fontsize=7, color=QUIET)
    axes.set_yticks(range(len(pairs)), shown, fontsize=7)
    axes.set_ylim(max(1, len(pairs)) - 0.4, -0.6)
    in_whole_numbers(axes.xaxis)
    left = int((wrong > 0).sum()) - len(pairs)
    axes.set_xlabel("records" + (f"; {left:,} more pairs are in evaluation.json" if left else ""))
    axes.set_ylabel("right → answered")
    axes.set_title("confused most" if pairs else "nothing is confused")
