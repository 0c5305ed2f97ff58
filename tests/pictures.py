"""What a picture of matplotlib is asked: do its words stand over each other, has each axis its
name.
"""

from __future__ import annotations

import itertools

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of words beside the same axis, or titles, that stand over each other."""
    figure.draw_without_rendering()
    found = []
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                (text.get_text(), text.get_window_extent())
                for text in [*axis.get_ticklabels(), axis.label]
                if _is_seen(text, axes)
            ]
            found += [
                (one, other)
                for (one, here), (other, there) in itertools.combinations(boxes, 2)
                if here.overlaps(there)
            ]
    return found


def _is_seen(text: Text, axes: Axes) -> bool:
    return axes.axison and text.get_visible() and bool(text.get_text().strip())


def without_labels(figure: Figure) -> list[str]:
    """The axes with numbers or names beside them that do not say what these are."""
    figure.draw_without_rendering()
    return [
        f"{axes.get_title(loc='left')}: {name}"
        for axes in figure.findobj(Axes)
        if axes.axison
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis))
        if not axis.get_label_text() and any(_is_seen(text, axes) for text in axis.get_ticklabels())
    ]
