"""Which class was answered for which: the matrix of few classes, what is confused most of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .markup import Markup, data_table, element, shortened

_CLASSES = 16
_CONFUSED = 12


# Any: training wrote it by its own types, which stand on torch
def confusion_table(confusion: dict[str, Any] | None) -> Markup | None:
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
