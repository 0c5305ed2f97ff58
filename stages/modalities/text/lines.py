"""The words, lines and paragraphs of a text as it is spaced, which signals of texts share."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

_PARAGRAPH = re.compile(r"\n\s*\n")
# many signals look at one text, one after the other
_remembered = functools.lru_cache(maxsize=4)


@_remembered
def spaced_words(text: str) -> tuple[str, ...]:
    """What stands between white space, marks and all."""
    return tuple(text.split())


@_remembered
def full_lines(text: str) -> tuple[str, ...]:
    """The lines that are not blank, without the spaces around them."""
    return tuple(line for line in map(str.strip, text.splitlines()) if line)


@_remembered
def paragraphs(text: str) -> tuple[str, ...]:
    """What stands between blank lines, without the spaces around it."""
    return tuple(part for part in map(str.strip, _PARAGRAPH.split(text)) if part)


def word_ngrams(text: str, length: int) -> Iterator[tuple[str, ...]]:
    """Runs of so many words, from each word on."""
    words = spaced_words(text)
    return zip(*(words[start:] for start in range(length)), strict=False)
