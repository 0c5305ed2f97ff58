"""How much a text repeats itself, in characters and in words, whatever its script."""

from __future__ import annotations

import math
import re
from collections import Counter

from .....schemas.quantity import Quantity, share
from ....signal import Signal
from ..lines import spaced_words, word_ngrams

_LENGTH = 10
_RUN = re.compile(r"(\S)\1+")


def repetition(text: str) -> dict[str, float]:
    """The ratios of ROOTS (Laurençon et al. 2022, appendix on filtering), and the longest run.

    character_repetition: of all runs of ten characters, the share that the commonest ones take: as
        many as the square root of how many different ones there are, those that stand there once
        left out. word_repetition: of all runs of ten words, the share of those that stand there
        more than once. longest_run: characters of the longest run of one character, white space
        aside. Not known of a text that is shorter.
    """
    found = {}
    counts = Counter([text[start : start + _LENGTH] for start in range(len(text) - _LENGTH + 1)])
    if counts:
        again = [count for count in counts.values() if count > 1]
        commonest = sorted(again, reverse=True)[: math.isqrt(len(counts))]
        found["character_repetition"] = sum(commonest) / counts.total()
    if len(spaced_words(text)) >= _LENGTH:
        runs = Counter(word_ngrams(text, _LENGTH))
        found["word_repetition"] = sum(n for n in runs.values() if n > 1) / runs.total()
    if text.strip():
        found["longest_run"] = max((len(run[0]) for run in _RUN.finditer(text)), default=1)
    return found


REPETITION = Signal(
    name="repetition",
    of="text",
    gives={
        "character_repetition": share("share of runs of 10 characters that the commonest take"),
        "word_repetition": share("share of the runs of 10 words that stand there more than once"),
        "longest_run": Quantity("longest run of one character", "characters", 1.0),
    },
    function=repetition,
)
