"""Copies of records with changed pictures: the base of the stages that draw such changes, and what
texts and targets say that a change may make untrue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...schemas.json_value import JsonValue
from ...schemas.record import Record, Step
from ..copies import DrawnCopies
from ..modality import modality
from ._drawing import with_steps

SIDES = "sides"
COLORS = "colours"
COUNTS = "how many there are"
BOXES = "boxes"
NO_BOXES = "no copy: a target may be a box, which does not move with the picture"
_SAID_BY = {
    SIDES: re.compile(
        r"\b(?:left|right|leftmost|rightmost|top|bottom|upper|lower|above|below|beneath|underneath"
        r"|under|over|upside|horizontal\w*|vertical\w*|standing|lying|upright)\b",
        re.IGNORECASE,
    ),
    COLORS: re.compile(
        r"\b(?:colou?r\w*|red|reddish|orange|yellow\w*|green\w*|blue|bluish|purple|violet|pink"
        r"|brown\w*|turquoise|cyan|magenta|beige|golden|blond\w*|tan|maroon|teal)\b",
        re.IGNORECASE,
    ),
    COUNTS: re.compile(
        r"\b(?:how (?:many|much)|number of|amount of|count(?:s|ed|ing)?)\b", re.IGNORECASE
    ),
}


@dataclass(frozen=True, kw_only=True)
class PictureCopies(DrawnCopies):
    """A stage that adds copies of each record that has a picture, all its pictures changed alike,
    films frame by frame.

    only_true: make no copy where the change may make untrue what texts and targets say (English),
        and count that.
    """

    only_true: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check()

    def check(self) -> None:
        """ValueError for options that cannot be meant."""

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        """The steps of one copy."""
        raise NotImplementedError

    def spoils(self) -> tuple[str, ...]:
        """What the change may make untrue, of ``SIDES``, ``COLORS``, ``COUNTS`` and ``BOXES``."""
        raise NotImplementedError

    def takes_kind(self, kind: str) -> bool:
        return modality(kind).has_pixels

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        return with_steps(record, pixel_parts(record), self.drawn(rng))

    def why_not(self, record: Record) -> str:
        if not self.only_true:
            return ""
        said = list(_said(record))
        for what in self.spoils():
            if what == BOXES:
                if has_box(record):
                    return NO_BOXES
            elif any(_SAID_BY[what].search(text) for text in said):
                return f"no copy: texts or targets tell of {what}, which the change may make untrue"
        return ""


def pixel_parts(record: Record) -> list[str]:
    """The names of the parts that are made of pixels: pictures and films."""
    return [name for name, part in record.parts.items() if modality(part.modality).has_pixels]


def has_box(record: Record) -> bool:
    """Whether a target may be places in the picture."""
    return any(_is_box(value) for value in record.targets.values())


def rectangle(
    rng: np.random.Generator, area: tuple[float, float], aspect: float
) -> dict[str, float]:
    """A place in a picture as shares of it: of an area drawn evenly, and between ``1 / aspect`` and
    ``aspect`` times as wide for its height as the picture, drawn evenly on a logarithmic scale; not
    beyond the picture.
    """
    wanted = rng.uniform(*area)
    stretch = np.exp(rng.uniform(-np.log(aspect), np.log(aspect)))
    # of a large area not every aspect fits
    stretch = np.clip(stretch, wanted, 1 / wanted)
    width, height = (
        round(min(1.0, float(np.sqrt(each))), 4) for each in (wanted * stretch, wanted / stretch)
    )
    return {
        "left": round(float(rng.uniform(0, 1 - width)), 4),
        "top": round(float(rng.uniform(0, 1 - height)), 4),
        "width": width,
        "height": height,
    }


def _said(record: Record) -> Iterable[str]:
    """Texts, words with times, and words in targets."""
    for part in record.parts.values():
        yield part.text or ""
        yield from (cue.text for cue in part.cues)
    for value in record.targets.values():
        yield from (item for item in _items(value) if isinstance(item, str))


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _is_box(value: JsonValue) -> bool:
    """Whether a target may be places in the picture: four numbers, or lists of numbers."""
    items = _items(value)
    if isinstance(value, list) and len(items) == 4 and all(map(_is_number, items)):
        return True
    return any(isinstance(item, list) and item and all(map(_is_number, item)) for item in items)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
