"""Mirrored copies: pictures flipped left to right, and left and right exchanged in the words beside
them.

Words are exchanged only where they name a place ("on the left", "the right hand", "leftmost"). In
"all right", "the right to" and "he left" they do not, and stay. Where a text leaves it open, or
asks for something that a mirror spoils (letters, numbers, clocks), no copy is made, and that is
counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.json_value import JsonValue
from ...schemas.record import Part, Record, Step
from ..copies import ChangedCopies
from ..modality import modality
from ._drawing import with_steps
from ._pictures import NO_BOXES, has_box, pixel_parts

_SIDE = re.compile(r"\b(left|right)(hand|most|ward|wards|side|s)?\b", re.IGNORECASE)
_THINGS = (
    "sides?(?! by)|hands?|corners?|edges?|half|halves|ends?|arms?|legs?|foot|feet|eyes?|ears?"
    "|shoulders?|wrists?|elbows?|knees?|cheeks?|lanes?"
    "|wheels?|paws?|horns?|pages?|walls?|shoes?|socks?|sleeves?|gloves?|doors?|windows?|columns?"
    "|panels?|boxe?s?|squares?|fields?|turns?|arrows?|tail|tower"
    "|towers|portion|part|margin|lower|upper|bottom|top|most|picture|image|photo"
)
_BODIES = (  # of which the right one may be the proper one
    "persons?|man|men|woman|women|boys?|girls?|child|children|guys?|lady|ladies|one|dog|cat|horse"
    "|elephant|zebra|giraffe|bear|bird|cow|sheep|object|chair"
    "|lamp|bed|bench|vehicle|car|bus|train|truck|plane|boat|bike|bicycle|motorcycle|building|sign"
    "|plate|bowl|tray"
)
_WHOSE = "(?:the|its|his|her|their|my|your|our|this|that)"
_WHERE = "(?:far|upper|lower|top|bottom|extreme|front|back|rear|very|middle|center|centre|near)"
_PLACES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_WHERE}[- ](left|right)\b",
        rf"\b(left|right)[- ](?:hand(?:ed)?[- ])?(?:{_THINGS})\b",
        rf"\b(?:on|to|at|from|off|towards?|along)\s+(?:{_WHOSE}\s+)?(?:{_WHERE}\s+)?(left"
        r"|right)(?=\s+(?:of|side)\b|'s\b|\s*(?:[-?.!,;:)\"]|$)"
        r"|\s+(?:and|or|is|are|was|were|has|have|had|wearing|in|on|with|holding|that|who|which"
        r"|doing|looking|facing|made|behind|next|than|can|does|do)\b)",
        rf"\b(?:the|on|his|her|its|their)\s+(left)[- ](?:{_BODIES})\b",
        r"\b(left|right)\s+(?:or|and|to)\s+(?:left|right)\b",
        r"\b(?:left|right)\s+(?:or|and|to)\s+(left|right)\b",
        r"\b(left|right)(?:most|wards?|side)\b",
        r"(?:^|\b(?:just|immediately|directly|is|are|standing|sitting|stands|sits)\s+)(left"
        r"|right)\s+of\s+(?:the|a|an|his|her|its|this|that|him|it|them)\b",
        r"\b(?:turn(?:s|ed|ing)?|lean(?:s|ed|ing)?|fac(?:es|ed|ing)|point(?:s|ed|ing)?|look(?:s|ed"
        r"|ing)?|going|heading)\s+(?:to\s+the\s+)?(left|right)\b"
        r"(?!\s+(?:now|at|away|here|there|into|back|on|around|up|down|by|out|over))",
    )
]
_ALONE = re.compile(
    r"\s*(?:(?:on|to|at|the)\s+)*(left|right)(?:\s+(?:side|one|hand))?\s*[.!?]?\s*", re.IGNORECASE
)
_NO_PLACE = re.compile(
    r"\b(?:all|that'?s|you'?re|you "
    r"are|i'?m|he'?s|she'?s|was|be|is|it'?s|not|just|so|yeah|oh|okay|ok|if|serves? "
    r"\w+|do|doing|done|everything'?s?|go"
    r"|sound(?:s|ed)?|looks?|came|come|got|get) right\b(?! (?:of|side|hand))"
    r"|\bright (?:now|away|here|there|after|before|behind|in "
    r"front|on|up|down|out|through|back|into|over|from|at|about|by|thing|time|person|way"
    r"|place|answer|decision|moment|reason|word|choice|idea|track|kind|size|angle|as|so|then|when"
    r"|where|to|for|beside|next|along|off)\b"
    r"|\b(?:the|a|no|any|every|my|your|his|her|their) rights?\b(?= (?:to|for|of "
    r"way|person|thing|time|way|place|guy for|woman for|man for|girl for))"
    r"|(?:^|[,.!?;:-]\s*|\b(?:and|well|but|yes|no)\s+)right\b(?=\s*[,.!?;:-]|\s*$)"
    r"|\b(?:i|you|he|she|it|we|they|who|has|have|had|just|be|being|been|was|were|is|are|'ve|'s|'d"
    r"|there'?s?|what'?s|only|get|got|nothing|anything|one"
    r"|slice|time) (?:\w+ )?left\b(?! (?:of|side|hand))"
    r"|\bleft (?:the|my|your|his|her|me|him|them|us|you|it|a|an|for|over|behind|alone|out|off|home"
    r"|early|town|because|when|with|without"
    r"|at|in|to|there|this|that)\b"
    r"|\b(?:far|alt)[- ](?:right|left)[- ](?:party|wing|politician\w*)\b|\bhuman "
    r"rights\b|\bcopyright\b",
    re.IGNORECASE,
)
_SPOILED = re.compile(
    r"\b(?:(?:anti|counter)?-?clockwise|read(?:s|ing)?|sa(?:y|ys|id)|spell(?:s|ed)?|writ(?:ten"
    r"|ing)|letters?|words?|text|digits?|numbers?|what "
    r"time"
    r"|clock|logo|brand|license plate|number plate|print(?:ed)?)\b",
    re.IGNORECASE,
)
_UNCLEAR = "no mirrored copy: left or right may be no place in the text"
_ASKS = "no mirrored copy: the text speaks of letters, numbers or clocks, which a mirror spoils"


@dataclass(frozen=True, kw_only=True)
class Flip(ChangedCopies):
    """Adds a mirrored copy of each record that has a picture, and whose words stay true.

    swap_words: exchange left and right in texts and in targets of words (English), and make no copy
        where that cannot be done with certainty, or a target may be a box; without it every record
        with a picture is mirrored, and words and boxes stay as they are.
    """

    swap_words: bool = True

    def takes_kind(self, kind: str) -> bool:
        return modality(kind).has_pixels

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        mirrored = with_steps(record, pixel_parts(record), [Step("hflip")])
        if not self.swap_words:
            return mirrored
        parts = {name: _swapped(part) for name, part in mirrored.parts.items()}
        targets = {name: _swap_value(value) for name, value in record.targets.items()}
        return replace(mirrored, parts=parts, targets=targets)

    def why_not(self, record: Record) -> str:
        if not self.swap_words:
            return ""
        if has_box(record):
            return NO_BOXES
        texts = [
            text
            for part in record.parts.values()
            for text in (part.text, *(cue.text for cue in part.cues))
            if text
        ]
        if any(_SPOILED.search(text) for text in texts):
            return _ASKS
        words = [
            value for value in _words_of(record.targets.values()) if not _ALONE.fullmatch(value)
        ]
        return _UNCLEAR if any(is_unclear(text) for text in [*texts, *words]) else ""


def _words_of(values: Iterable[object]) -> list[str]:
    """The words among values, those within lists too."""
    every = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [item for item in every if isinstance(item, str)]


def swap_sides(text: str) -> str:
    """The text with left and right exchanged where they name a place, capitals kept.

    >>> swap_sides("Is the leftmost man, on the right, all right?")
    'Is the rightmost man, on the left, all right?'
    """
    places = sorted(
        {match.span(1) for pattern in _PLACES for match in pattern.finditer(text)}, reverse=True
    )
    # from the end: left and right are of other lengths, and move what comes after them
    for start, end in places:
        text = text[:start] + _other(text[start:end]) + text[end:]
    return text


def is_unclear(text: str) -> bool:
    """Whether a left or right of the text is neither surely a place nor surely none."""
    settled = [match.span() for pattern in _PLACES for match in pattern.finditer(text)] + [
        match.span() for match in _NO_PLACE.finditer(text)
    ]
    return any(
        not any(start <= match.start() and match.end() <= end for start, end in settled)
        for match in _SIDE.finditer(text)
    )


def _other(word: str) -> str:
    other = "right" if word.lower() == "left" else "left"
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def _swapped(part: Part) -> Part:
    if part.modality != "text" or part.text is None:
        return part
    return replace(
        part,
        text=swap_sides(part.text),
        cues=tuple(replace(cue, text=swap_sides(cue.text)) for cue in part.cues),
    )


def _swap_value(value: JsonValue) -> JsonValue:
    """A target: a single left or right is an answer, and a place."""
    if isinstance(value, str):
        alone = _ALONE.fullmatch(value)
        return (
            value[: alone.start(1)] + _other(alone.group(1)) + value[alone.end(1) :]
            if alone
            else swap_sides(value)
        )
    return [_swap_value(item) for item in value] if isinstance(value, list) else value
