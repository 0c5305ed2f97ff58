"""How much of a text its commonest runs of two, three and four words are."""

from __future__ import annotations

from collections import Counter

from .....schemas.quantity import share
from ....signal import Signal
from ..lines import word_ngrams

_LENGTHS = (2, 3, 4)


def top_ngrams(text: str) -> dict[str, float]:
    """The share of the characters of a text that its commonest run of so many words takes (Gopher,
    Rae et al. 2021, table A1): its length with single spaces, times how often it stands there, over
    the length of the text; 1 at most, for runs overlap. Of several that are as common the first
    counts. 0 where no run stands there twice, not known of fewer words than a run has.
    """
    shares = {}
    for length in _LENGTHS:
        counts = Counter(word_ngrams(text, length))
        if counts:
            words, count = max(counts.items(), key=lambda item: item[1])
            chars = sum(map(len, words)) + length - 1
            shares[f"top_{length}gram"] = min(1.0, chars * count / len(text)) if count > 1 else 0.0
    return shares


TOP_NGRAMS = Signal(
    name="top_ngrams",
    of="text",
    gives={
        f"top_{length}gram": share(
            f"share of the characters in the commonest run of {length} words"
        )
        for length in _LENGTHS
    },
    function=top_ngrams,
)
