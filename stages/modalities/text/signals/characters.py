"""What the characters of a text are: letters, digits, symbols."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter

from .....schemas.quantity import share
from ....signal import Signal

_KINDS = ("letter", "digit", "symbol")


def characters(text: str) -> dict[str, float]:
    """The shares of the characters that are no white space by their general category in Unicode:
    letters with the marks on them (L, M), digits and other numbers (N), punctuation and symbols (P,
    S). Not known of a blank text.
    """
    counts = dict.fromkeys((*_KINDS, "other", "space"), 0)
    for character, count in Counter(text).items():
        counts[_kind(character)] += count
    total = len(text) - counts["space"]
    return {f"{kind}_share": counts[kind] / total for kind in _KINDS} if total else {}


@functools.lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    return {"L": "letter", "M": "letter", "N": "digit", "P": "symbol", "S": "symbol"}.get(
        unicodedata.category(character)[0], "other"
    )


CHARACTERS = Signal(
    name="characters",
    of="text",
    gives={
        "letter_share": share("share of the characters that are letters, white space aside"),
        "digit_share": share("share of the characters that are digits or numbers"),
        "symbol_share": share("share of the characters that are punctuation or symbols"),
    },
    function=characters,
)
