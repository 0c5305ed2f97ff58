"""How much of a text are runs of five to ten words that stood there before."""

from __future__ import annotations

from .....schemas.quantity import share
from ....signal import Signal
from ..lines import spaced_words

_LENGTHS = range(5, 11)


def duplicate_ngrams(text: str) -> dict[str, float]:
    """The share of the characters of a text in runs of so many words that stood there before
    (Gopher, Rae et al. 2021, table A1). The words are read from the first to the last; after a run
    that stood there before the reading goes on behind it, so no character counts twice. The
    characters are those of words, and the share is of all of the text, as DataTrove reckons it.
    0 where there are fewer words than a run has; not known of a blank text.
    """
    words = spaced_words(text)
    if not words:
        return {}
    return {f"duplicate_{length}gram": _repeated(words, length) / len(text) for length in _LENGTHS}


def _repeated(words: tuple[str, ...], length: int) -> int:
    """The characters in runs of words that stood there before."""
    seen: set[tuple[str, ...]] = set()
    chars = place = 0
    while place + length <= len(words):
        run = words[place : place + length]
        if run in seen:
            chars += sum(map(len, run))
            place += length
        else:
            seen.add(run)
            place += 1
    return chars


DUPLICATE_NGRAMS = Signal(
    name="duplicate_ngrams",
    of="text",
    gives={
        f"duplicate_{length}gram": share(
            f"share of the characters in runs of {length} words that stood there before"
        )
        for length in _LENGTHS
    },
    function=duplicate_ngrams,
)
