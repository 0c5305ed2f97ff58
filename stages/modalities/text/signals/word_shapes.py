"""What the words of a text are like: long or short, with letters, in capitals, stop words."""

from __future__ import annotations

import functools

from .....schemas.quantity import Quantity, share
from ....signal import Signal
from ..lines import spaced_words

LONG = 20  # characters, from which on a word is a long one
BASIC_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_AROUND = "\"'“”‘’«»()[]{}<>.,;:!?…*_-–—"


def word_shapes(text: str) -> dict[str, float]:
    """Means and shares over the words of a text, by white space.

    mean_word_length and longest_word in characters; alphabetic_words: the share with at least one
    letter; long_words: the share with 20 characters or more; capital_words: the share of two
    letters or more, all of which are capitals; basic_words: how many of the, be, to, of, and,
    that, have, with are there (Rae et al. 2021, A1.1); stop_word_share: the share of words that are
    English stop words (spaCy's list), without case and the marks around them. Not known of a blank
    text.
    """
    words = spaced_words(text)
    if not words:
        return {}
    lengths = [len(word) for word in words]
    bare = [word.strip(_AROUND).lower() for word in words]
    known = english_stop_words()
    return {
        "mean_word_length": sum(lengths) / len(words),
        "longest_word": max(lengths),
        "alphabetic_words": sum(any(map(str.isalpha, word)) for word in words) / len(words),
        "long_words": sum(length >= LONG for length in lengths) / len(words),
        "capital_words": sum(map(_is_shouted, words)) / len(words),
        "basic_words": len(BASIC_WORDS.intersection(bare)),
        "stop_word_share": sum(word in known for word in bare) / len(words),
    }


def _is_shouted(word: str) -> bool:
    return word.isupper() and sum(map(str.isalpha, word)) > 1


@functools.cache
def english_stop_words() -> frozenset[str]:
    """spaCy's, with straight apostrophes and curled ones."""
    from spacy.lang.en.stop_words import STOP_WORDS

    return frozenset(STOP_WORDS)


WORD_SHAPES = Signal(
    name="word_shapes",
    of="text",
    gives={
        "mean_word_length": Quantity("mean length of the words", "characters", 1.0),
        "longest_word": Quantity("length of the longest word", "characters", 1.0),
        "alphabetic_words": share("share of the words with at least one letter"),
        "long_words": share(f"share of the words with {LONG} characters or more"),
        "capital_words": share("share of the words that are all capitals, two letters or more"),
        "basic_words": Quantity("how many of Gopher's 8 English words are there", "", 0.0, 8.0),
        "stop_word_share": share("share of the words that are English stop words"),
    },
    function=word_shapes,
)
