"""Examples: parts of records as figures, each with its key, where it comes from and its number.
There is an end to how many media a page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...schemas.record import Part
from .markup import Markup, element, end_of, joined, shortened
from .output import Output
from .part_table import PartRow
from .pictures import picture_of, picture_of_part
from .texts_of import Texts, texts_of

_MOST_MEDIA = 150
_TEXT = "text"
# of a part what stands below it, and how its text is marked
Said = Callable[[PartRow], str]
Marked = Callable[[PartRow, str], Markup]


class Gallery:
    """Shows parts until it has shown so many media."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._shown = 0

    def figures(
        self,
        rows: Sequence[PartRow],
        said: Said,
        is_out: Callable[[PartRow], bool] = lambda row: False,
        marked: Marked | None = None,
    ) -> Markup:
        """The parts side by side. is_out: whether one is marked as refused."""
        texts = self._texts(rows)
        figures = [self._figure(row, said, is_out(row), marked, texts) for row in rows]
        of_text = all(row["uri"] is None for row in rows)
        return element("div", *figures, class_="examples of-text" if of_text else "examples")

    def _texts(self, rows: Sequence[PartRow]) -> Texts:
        keys = {row["key"] for row in rows if row["uri"] is None}
        return texts_of(self._output.folder, keys) if keys else {}

    def _figure(
        self, row: PartRow, said: Said, is_out: bool, marked: Marked | None, texts: Texts
    ) -> Markup:
        if row["uri"] is not None:
            shown = self._medium(row)
        else:
            text = texts.get((row["key"], row["part"]))
            shown = (
                element("span", "the text is not kept in this folder", class_="unread")
                if text is None
                else element("blockquote", marked(row, text) if marked else shortened(text))
            )
        caption = element("figcaption", element("b", said(row)), element("br"), place_of(row))
        return element("figure", shown, caption, class_="example out" if is_out else "example")

    def _medium(self, row: PartRow) -> Markup:
        return self._counted() or picture_of(self._output.root, row)

    def medium(self, part: Part, name: str) -> Markup:
        """A part of a record as it is after all of its steps."""
        return self._counted() or picture_of_part(self._output.root, part, name)

    def _counted(self) -> Markup | None:
        """What stands for a medium where enough are shown; else one more is."""
        if self._shown >= _MOST_MEDIA:
            return element("span", f"not shown: {_MOST_MEDIA} media are above", class_="unread")
        self._shown += 1
        return None


def place_of(row: PartRow) -> Markup:
    """Key, and file or row that a part comes from."""
    where = end_of(row["uri"] or row["file"])
    if row["uri"] is None and row["row"] is not None:
        where = f"{where}, row {row['row']:,}"
    if row["start_s"] is not None or row["end_s"] is not None:
        end = "end" if row["end_s"] is None else f"{row['end_s']:.3g}"
        where = f"{where}, {row['start_s'] or 0:.3g} to {end} s"
    return joined(shortened(row["key"], 60), element("br"), where)


def evenly(rows: np.ndarray, count: int) -> np.ndarray:
    """So many of the rows, evenly spaced over all."""
    if len(rows) <= count:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, count).round().astype(int)])
