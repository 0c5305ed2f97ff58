"""Mirrored copies: pictures flipped left to right, and left and right exchanged in the words beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ...schemas.record import Part, Record, Step
from ._copies import Copies, copy_of, with_step

_SIDES = re.compile(r"\b(left|right)(hand|most|ward|wards|side|s)?\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Flip(Copies):
    """Adds a mirrored copy of each record that has a picture.

    swap_words: exchange left and right in texts and in targets of words, so that the copy stays true.
    """

    swap_words: bool = True

    def split(self, record: Record) -> Iterable[Record]:
        pictures = [name for name, part in record.parts.items() if part.modality in ("image", "video")]
        if not pictures or not self.takes(record):
            return (record,)
        parts = dict(record.parts)
        for name in pictures:
            parts[name] = with_step(parts[name], Step("hflip"))
        targets = dict(record.targets)
        if self.swap_words:
            parts = {name: _swapped(part) for name, part in parts.items()}
            targets = {name: _swap_value(value) for name, value in targets.items()}
        return (record, replace(copy_of(record, "flip", 1), parts=parts, targets=targets))


def swap_sides(text: str) -> str:
    """The text with left and right exchanged, capitals kept.

    >>> swap_sides("Left of the leftmost man, right?")
    'Right of the rightmost man, left?'
    """

    def one(match: re.Match[str]) -> str:
        word, rest = match.group(1), match.group(2) or ""
        other = "right" if word.lower() == "left" else "left"
        return (other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other) + rest

    return _SIDES.sub(one, text)


def _swapped(part: Part) -> Part:
    if part.modality != "text" or part.text is None:
        return part
    return replace(part, text=swap_sides(part.text), cues=tuple(replace(cue, text=swap_sides(cue.text)) for cue in part.cues))


def _swap_value(value: Any) -> Any:
    if isinstance(value, str):
        return swap_sides(value)
    return [_swap_value(item) for item in value] if isinstance(value, list) else value
