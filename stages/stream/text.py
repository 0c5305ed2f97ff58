"""Words of a text, and vocabularies of the words of many."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

PAD_TOKEN, UNKNOWN_TOKEN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?|[^\w\s]|_")


def words(text: str) -> list[str]:
    """Lower-case words and punctuation marks, in order.

    >>> words("What's on the table?")
    ["what's", 'on', 'the', 'table', '?']
    """
    return _WORD.findall(text.lower())


def build_vocabulary(texts: Iterable[str | None], most: int = 10_000, at_least: int = 1) -> dict[str, int]:
    """Word -> id, 2 upwards, the commonest first (ties by the alphabet); 0 is padding, 1 any unknown word."""
    counts = Counter(word for text in texts if text for word in words(text))
    kept = sorted((word for word, count in counts.items() if count >= at_least), key=lambda word: (-counts[word], word))[:most]
    return {word: number for number, word in enumerate(kept, 2)}
