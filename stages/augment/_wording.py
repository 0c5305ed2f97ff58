"""Words left out, mistyped, or replaced by others of the same meaning: functions from words to
words, every draw of which comes from the generator that is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from ...schemas.errors import InputError

Keyboard: TypeAlias = Literal["qwerty", "qwertz", "azerty"]
# word -> those that may stand for it, in small letters
Synonyms: TypeAlias = Mapping[str, tuple[str, ...]]

# The rows of letters, each with the place of its first key: a row begins where the left edge of its
# keys does on most keyboards (ISO/IEC 9995), a quarter and three quarters of a key to the right.
_ROWS: Mapping[Keyboard, tuple[str, str, str]] = {
    "qwerty": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
_STARTS = (0.0, 0.25, 0.75)
_BESIDE = 1.3  # keys from middle to middle
_CORE = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What may happen to each word, with which probability. keep: words that are left alone, in
    small letters.
    """

    dropout: float = 0.0
    typos: float = 0.0
    replaced: float = 0.0
    keep: frozenset[str] = frozenset()
    synonyms: Synonyms = field(default_factory=dict)
    keyboard: Keyboard = "qwerty"


def varied(words: Sequence[str], how: Wording, rng: np.random.Generator) -> list[str | None]:
    """The words as they are in a copy, None for one that is left out; one is always changed where
    any can be, and one always left.
    """
    # as many draws for each word, whatever becomes of it
    chances = rng.random((len(words), 3))
    result: list[str | None] = list(words)
    for place, word in enumerate(words):
        if chances[place, 0] < how.dropout and can_drop(word, how) and len(words) > 1:
            result[place] = None
        elif chances[place, 1] < how.replaced and synonyms_of(word, how):
            result[place] = _replaced(word, how, rng)
        elif chances[place, 2] < how.typos and can_mistype(word, how):
            result[place] = mistyped(word, how.keyboard, rng)
    if result == list(words):
        _change_one(result, words, how, rng)
    if words and all(word is None for word in result):
        spared = int(rng.integers(len(words)))
        result[spared] = words[spared]
    return result


def can_vary(words: Sequence[str], how: Wording) -> bool:
    """Whether any of the words can be changed."""
    return any(_changes(word, how, len(words)) for word in words)


def _changes(word: str, how: Wording, count: int) -> list[str]:
    """What can happen to one of so many words."""
    possible = {
        "drop": how.dropout > 0 and count > 1 and can_drop(word, how),
        "replace": how.replaced > 0 and bool(synonyms_of(word, how)),
        "mistype": how.typos > 0 and can_mistype(word, how),
    }
    return [what for what, is_so in possible.items() if is_so]


def _change_one(
    result: list[str | None], words: Sequence[str], how: Wording, rng: np.random.Generator
) -> None:
    choices = [
        (place, what)
        for place, word in enumerate(words)
        for what in _changes(word, how, len(words))
    ]
    if not choices:
        return
    place, what = choices[int(rng.integers(len(choices)))]
    if what == "drop":
        result[place] = None
    elif what == "replace":
        result[place] = _replaced(words[place], how, rng)
    else:
        result[place] = mistyped(words[place], how.keyboard, rng)


def can_drop(word: str, how: Wording) -> bool:
    """Whether a word may be left out."""
    return core_of(word)[1].lower() not in how.keep


def can_mistype(word: str, how: Wording) -> bool:
    """Whether a word may be mistyped: it has two letters or more that are not all the same."""
    letters = [letter for letter in word if letter.isalpha()]
    return len(set(letters)) > 1 and can_drop(word, how)


def mistyped(word: str, keyboard: Keyboard, rng: np.random.Generator) -> str:
    """The word with one error of typing: a key beside the right one, two letters exchanged, one
    left out, or one twice (the four kinds of Damerau 1964); the first letter keeps its place where
    the word has three letters or more. Capitals stay capitals.
    """
    places = [place for place, letter in enumerate(word) if letter.isalpha()]
    inner = places[1:] if len(places) > 2 else places
    place = inner[int(rng.integers(len(inner)))]
    letter, kind = word[place], int(rng.integers(4))
    beside = keys_beside(letter.lower(), keyboard)
    if kind == 0 and beside:
        other = beside[int(rng.integers(len(beside)))]
        return word[:place] + (other.upper() if letter.isupper() else other) + word[place + 1 :]
    if kind == 1:
        pairs = [
            first
            for first in inner
            if first + 1 < len(word)
            and word[first + 1].isalpha()
            and word[first].lower() != word[first + 1].lower()
        ]
        if pairs:
            first = pairs[int(rng.integers(len(pairs)))]
            left, right = word[first], word[first + 1]
            pair = _in_case_of(right, left) + _in_case_of(left, right)
            return word[:first] + pair + word[first + 2 :]
    if kind == 2:
        return word[:place] + word[place + 1 :]
    return word[:place] + letter + word[place:]


def _in_case_of(letter: str, other: str) -> str:
    return letter.upper() if other.isupper() else letter.lower()


def keys_beside(letter: str, keyboard: Keyboard) -> str:
    """The letters whose keys touch that of a small letter; none where the keyboard has it not.

    >>> keys_beside("g", "qwerty"), keys_beside("a", "azerty")
    ('tyfhvb', 'zq')
    """
    keys = {
        key: (start + place, float(row))
        for row, (start, letters) in enumerate(zip(_STARTS, _ROWS[keyboard], strict=True))
        for place, key in enumerate(letters)
    }
    if letter not in keys:
        return ""
    x, y = keys[letter]
    return "".join(
        key
        for key, (its_x, its_y) in keys.items()
        if key != letter and np.hypot(its_x - x, its_y - y) < _BESIDE
    )


def synonyms_of(word: str, how: Wording) -> tuple[str, ...]:
    """What may stand for a word, the marks around it aside."""
    return how.synonyms.get(core_of(word)[1].lower(), ())


def _replaced(word: str, how: Wording, rng: np.random.Generator) -> str:
    before, core, after = core_of(word)
    choices = synonyms_of(word, how)
    other = choices[int(rng.integers(len(choices)))]
    if core[:1].isupper():
        other = other.upper() if core.isupper() and len(core) > 1 else other[:1].upper() + other[1:]
    return before + other + after


def core_of(word: str) -> tuple[str, str, str]:
    """A word between the marks before it and behind it.

    >>> core_of("(don't!)")
    ('(', "don't", '!)')
    """
    match = _CORE.fullmatch(word)
    assert match is not None
    return match[1], match[2], match[3]


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """The synonyms of a text file in UTF-8: in each line words with commas or tabs between them, of
    which each may stand for every other; empty lines, and lines that begin with ``#``, say nothing.
    InputError where the file cannot be read, or a line has one word alone.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a text in UTF-8 ({error})") from error
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = [word.strip() for word in re.split("[,\t]", line) if word.strip()]
        if len({word.lower() for word in words}) < 2:
            raise InputError(
                f"{path}, line {number}: wanted words that may stand for each other, with commas"
                f" between them, found {line.strip()[:60]!r}"
            )
        for word in words:
            others = {other: None for other in words if other.lower() != word.lower()}
            found.setdefault(word.lower(), {}).update(others)
    if not found:
        raise InputError(f"{path}: no synonyms here; wanted lines like: car, automobile")
    return {word: tuple(others) for word, others in found.items()}
