"""Words of a text, and vocabularies of the words of many."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

PAD_TOKEN, UNKNOWN_TOKEN = 0, 1
_INNER = "'\u2019"  # marks within a word, as in don't
SPECIAL_TOKENS = 2  # ids that are no word of the vocabulary
_ASCII_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?|[^\w\s]|_")
# Scripts whose words are not set apart: Thai, Lao, Myanmar, Khmer, kana, Han and its extensions.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)


class _LettersAlone(dict[int, str | int | None]):
    """For :meth:`str.translate`: letters, digits and their marks stay, marks within a word go, and
    all else is a space. Filled as characters are met.
    """

    def __missing__(self, code: int) -> str | int | None:
        character = chr(code)
        kept: str | int | None = code if unicodedata.category(character)[0] in "LNM" else " "
        self[code] = None if character in _INNER else kept
        return self[code]


_LETTERS_ALONE = _LettersAlone()


def compared_words(text: str) -> str:
    """The text as it is compared with others: compatibility forms, case, punctuation and spacing
    aside.

    >>> compared_words("The  CAT sat, ﬁrst!")
    'the cat sat first'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.translate(_LETTERS_ALONE).split())


def count_words(text: str) -> int:
    """How many words a text as it is compared has; in scripts without spaces each character is one.

    >>> count_words("\u56fe\u7247\u4e2d dog")
    4
    """
    return len(words(text))


def words(text: str) -> list[str]:
    """Lower-case words and punctuation marks, in order; in scripts without spaces each character is
    a word. Vowel signs and accents stay with theirs.

    >>> words("What's on the table?")
    ["what's", 'on', 'the', 'table', '?']
    >>> words("图片中的狗")
    ['图', '片', '中', '的', '狗']
    """
    lower = text.lower()
    return (_ASCII_WORD if lower.isascii() else _any_word()).findall(lower)


@functools.cache
def _any_word() -> re.Pattern[str]:
    marks = "".join(
        letter
        for letter in map(chr, range(0x300, 0x10000))
        if unicodedata.category(letter) in ("Mn", "Mc")
    )
    letter = rf"(?:(?![{_DENSE}])[^\W_][{marks}]*)"
    return re.compile(rf"[{_DENSE}][{marks}]*|{letter}+(?:'(?:[^\W\d_][{marks}]*)+)?|[^\w\s]|_")


def build_vocabulary(
    texts: Iterable[str | None], most: int = 10_000, at_least: int = 1
) -> dict[str, int]:
    """Word -> id, 2 upwards, the commonest first (ties by the alphabet); 0 is padding, 1 any
    unknown word.
    """
    counts = Counter(word for text in texts if text for word in words(text))
    kept = sorted(
        (word for word, count in counts.items() if count >= at_least),
        key=lambda word: (-counts[word], word),
    )[:most]
    return {word: number for number, word in enumerate(kept, SPECIAL_TOKENS)}
