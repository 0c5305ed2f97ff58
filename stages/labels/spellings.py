"""Labels that may be one label, spelled in several ways."""

from __future__ import annotations

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LONG = 6  # letters from which on one edit may be a slip
_MOST_LABELS = 2000
_BETWEEN_WORDS = {"Zs", "Zl", "Zp", "Pd", "Pc", "Pi", "Pf", "Ps", "Pe", "Cc", "Cf"}
_MARKS = ".,;:'\"`/\\"


class Spellings(NamedTuple):
    """Labels that may be one, and why they may."""

    labels: tuple[str, ...]
    why: str


def like_spellings(labels: Iterable[str]) -> list[Spellings]:
    """Sets of labels that differ in case, spaces, punctuation or Unicode form alone, then pairs of
    words that differ in a plural's ending or, from six letters on, in one letter that is added,
    left out, changed, or exchanged with its neighbour (Damerau 1964).

    Digits are never a slip (``class 1``, ``class 2``), and neither is the first letter (``moral``,
    ``amoral``).
    """
    forms: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        forms[plain_form(label)].append(label)
    found = [
        Spellings(tuple(own), "case, spaces, punctuation or Unicode form")
        for form, own in forms.items()
        if form and len(own) > 1
    ]
    if len(forms) > _MOST_LABELS:
        return found
    for one, other in _neighbours(form for form in forms if form):
        why = _why_alike(one, other)
        if why:
            found.append(Spellings((forms[one][0], forms[other][0]), why))
    return found


def plain_form(label: str) -> str:
    """A label without case, composition of accents, width, spaces and what stands between words.
    Other signs stay (``c``, ``c++``), and so does what stands before or between digits (``-1``,
    ``1``; ``1.5``, ``15``).

    >>> plain_form("Car-Horn "), plain_form("car_horn"), plain_form("-1")
    ('carhorn', 'carhorn', '-1')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold()).strip()
    kept = []
    for place, letter in enumerate(folded):
        is_of_number = (
            folded[place + 1 : place + 2].isdigit() and not folded[place - 1 : place].isalpha()
        )
        if not _is_between_words(letter) or is_of_number:
            kept.append(letter)
    return "".join(kept)


def _is_between_words(letter: str) -> bool:
    return unicodedata.category(letter) in _BETWEEN_WORDS or letter in _MARKS


def _neighbours(forms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of forms with one first letter."""
    by_letter: dict[str, list[str]] = defaultdict(list)
    for form in sorted(forms):
        by_letter[form[0]].append(form)
    for own in by_letter.values():
        yield from itertools.combinations(own, 2)


def _why_alike(one: str, other: str) -> str:
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long in (f"{short}s", f"{short}es"):
        return "a plural"
    if len(short) >= _LONG and _is_one_edit(short, long):
        return "one letter"
    return ""


def _is_one_edit(short: str, long: str) -> bool:
    """Whether one letter is added, changed, or exchanged with its neighbour, and none of them is a
    digit.
    """
    if len(long) - len(short) > 1:
        return False
    start = next(
        (place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    if len(short) < len(long):
        return short[start:] == long[start + 1 :] and not long[start].isdigit()
    if any(letter.isdigit() for letter in (short[start : start + 1] + long[start : start + 1])):
        return False
    is_changed = short[start + 1 :] == long[start + 1 :]
    is_exchanged = (
        short[start : start + 2] == long[start : start + 2][::-1]
        and short[start + 2 :] == long[start + 2 :]
    )
    return is_changed or is_exchanged
