"""Texts that share most of their words: every pair of them is found, and none that is not.

A text is the set of its shingles, runs of a few words, and how near two texts are is the share of
shingles that both have of those that either has (Jaccard; Broder 1997). Two sets of a large share
must have one of their rarest shingles in common: where each set is put in one order of all
shingles, rare ones first, the first that both have comes so early that all which follows can still
be common (prefix and position filters; Chaudhuri, Ganti & Kaushik 2006, Xiao et al. 2008;
Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, section 3.9). So only texts that meet at
one of these are compared, by the sets themselves. Texts that follow one template are near to none:
what they share is frequent, and comes late.

MinHash in bands misses 1 to 2 % of the pairs that are just near enough, and compares many that are
not (see ``benchmarks/likeness.py``). Kept are 8 bytes a shingle and some 40 for each of those rare
ones that comes twice; pairs are never listed. What is united depends on neither the order of the
texts nor the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xxhash

from ....schemas.united import United
from .words import words

SIMILARITY = 0.8  # Jaccard, from which on texts are near
SHINGLE = 3  # words
PART = "\x1f"  # between the parts of a text, over which no shingle goes
_ROUNDING = 1e-9
_TEXTS_AT_ONCE = 4096
_SHINGLES_AT_ONCE = 1 << 20
_PAIRS_AT_ONCE = 4096


def near_texts(
    texts: Sequence[str], similarity: float = SIMILARITY, shingle: int = SHINGLE
) -> United:
    """The texts by number, united where they are near, directly or through others. An edge is as
    long as 1 - Jaccard.

    texts: as ``compared_words`` leaves them, the parts of one joined by ``PART``; one without words
        is near to none. similarity: the least Jaccard, in (0, 1]. shingle: words; a part of fewer
        is one shingle.
    """
    sets = Shingles(texts, shingle)
    united = United(len(texts))
    if len(sets.numbers):
        meetings = _Meetings(sets, _rare_ones(sets, similarity), similarity)
        meetings.unite(united)
    return united


def jaccard(one: str, other: str, shingle: int = SHINGLE) -> float:
    """The share of the shingles of two texts that both have, in [0, 1].

    >>> jaccard("a cat sat on the mat", "a cat sat on the rug")
    0.6
    """
    return float(Shingles([one, other], shingle).jaccard(np.array([0]), np.array([1]))[0])


class Shingles:
    """The shingles of texts as 64-bit numbers, each once, in ascending order: those of text i are
    ``numbers[starts[i] : starts[i] + sizes[i]]``. One pair of shingles in 2^64 has one number by
    accident. full: the texts that have any.
    """

    def __init__(self, texts: Sequence[str], shingle: int) -> None:
        pieces, sizes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            numbers, size = _shingled(texts[first : first + _TEXTS_AT_ONCE], shingle)
            pieces.append(numbers)
            sizes.append(size)
        self.numbers = np.concatenate(pieces)
        self.sizes = np.concatenate(sizes)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.full = np.flatnonzero(self.sizes)

    def jaccard(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Of each text with the one at the same place ``float64 [K]``; 0 where neither has any."""
        numbers = [self._of(one), self._of(other)]
        pairs = [np.repeat(np.arange(len(one)), self.sizes[some]) for some in (one, other)]
        pair, number = np.concatenate(pairs), np.concatenate(numbers)
        order = np.lexsort((number, pair))
        pair, number = pair[order], number[order]
        # each has a shingle once, so that one which comes twice is in both
        again = (number[1:] == number[:-1]) & (pair[1:] == pair[:-1])
        common = np.bincount(pair[1:][again], minlength=len(one))
        either = self.sizes[one] + self.sizes[other] - common
        return np.asarray(common / np.maximum(1, either))

    def jaccard_with(self, one: int, others: np.ndarray) -> np.ndarray:
        """Of one text, which has shingles, with each of the others ``float64 [K]``."""
        mine, theirs = self._of(np.array([one])), self._of(others)
        ends = np.cumsum(self.sizes[others])
        place = np.searchsorted(mine, theirs).clip(max=len(mine) - 1)
        before = np.r_[0, np.cumsum(mine[place] == theirs)]
        common = before[ends] - before[ends - self.sizes[others]]
        return np.asarray(common / (len(mine) + self.sizes[others] - common))

    def _of(self, texts: np.ndarray) -> np.ndarray:
        """The shingles of these texts, one text after the other."""
        sizes = self.sizes[texts]
        begins = np.cumsum(sizes) - sizes
        places = np.repeat(self.starts[texts] - begins, sizes) + np.arange(sizes.sum())
        return np.asarray(self.numbers[places])


def _shingled(texts: Sequence[str], shingle: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the shingles of texts, one text after the other, and how many each has."""
    hashes: list[int] = []
    lengths, text_of, place_of = [], [], []
    for number, text in enumerate(texts):
        for place, piece in enumerate(text.split(PART)):
            own = words(piece)
            hashes += [xxhash.xxh3_64_intdigest(word.encode()) for word in own]
            lengths.append(len(own))
            text_of.append(number)
            place_of.append(place)
    word = np.array(hashes, np.uint64)
    length = np.array(lengths, np.int64)
    part = np.repeat(np.arange(len(length)), length)
    left = np.cumsum(length)[part] - np.arange(len(word))  # words of the part from here on
    # the words of a shingle at their places, so that the same words in another order are another
    value = np.array(place_of, np.uint64)[part]
    for step in range(shingle):
        there = np.flatnonzero(left > step)
        value[there] = _mixed(value[there] + word[there + step])
    # where a whole shingle begins, or a part of fewer words
    begins = left >= np.minimum(shingle, length[part])
    value, owner = value[begins], np.array(text_of, np.int64)[part[begins]]
    order = np.lexsort((value, owner))
    value, owner = value[order], owner[order]
    once = np.r_[True, (np.diff(value) != 0) | (np.diff(owner) != 0)][: len(value)]
    return value[once], np.bincount(owner[once], minlength=len(texts))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Each bit of the result depends on all of the value's (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


class _Rare(NamedTuple):
    """Shingles at which texts can meet, by their numbers: of each the text, how many of its
    shingles do not come before this one, and whether the text can be the smaller of two that meet
    here. Of one shingle those come first, and of them the texts that meet most others, so that one
    in the middle of many gathers them at once.
    """

    number: np.ndarray
    text: np.ndarray
    left: np.ndarray
    is_smaller: np.ndarray


def _rare_ones(sets: Shingles, similarity: float) -> _Rare:
    """Of each text so many of its rarest shingles that it meets every near one at the first shingle
    that both have.

    The two have at least ``s / (1 + s) * (a + b)`` of a and b shingles in common, so none of the
    first ``a - 2 s / (1 + s) * a`` of the smaller and ``b - s * b`` of the larger may be passed by.
    """
    often, shift = _often(sets.numbers)
    found: list[tuple[np.ndarray, ...]] = []
    for first, last in _stretches(sets.sizes):
        sizes = sets.sizes[first:last]
        numbers = sets.numbers[sets.starts[first] :][: sizes.sum()]
        times = often[(numbers >> shift).astype(np.int64)]
        text = np.repeat(np.arange(last - first), sizes)
        order = np.lexsort((numbers, times, text))
        numbers, times = numbers[order], times[order]
        before = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        size = sizes[text]
        # one that comes once is in no other text
        kept = (before <= size - _least(similarity * size)) & (times > 1)
        least = _least(2 * similarity / (1 + similarity) * size)
        found.append(
            tuple(
                values[kept]
                for values in (numbers, text + first, size - before, before <= size - least, times)
            )
        )
    number, text, left, is_smaller, times = map(np.concatenate, zip(*found, strict=True))
    meets = np.bincount(text, times, len(sets.sizes))
    order = np.lexsort((text, -meets[text], ~is_smaller, number))
    return _Rare(number[order], text[order], left[order], is_smaller[order])


def _often(numbers: np.ndarray) -> tuple[np.ndarray, np.uint64]:
    """How often a shingle comes, at its number shifted to the right; of several at one place
    together, for any order of all shingles will do.
    """
    bits = min(26, max(8, len(numbers).bit_length() + 1))
    shift = np.uint64(64 - bits)
    often = np.zeros(1 << bits, np.int32)
    for start in range(0, len(numbers), _SHINGLES_AT_ONCE):
        np.add.at(often, (numbers[start : start + _SHINGLES_AT_ONCE] >> shift).astype(np.int64), 1)
    return often, shift


def _stretches(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Texts ``[first, last)`` that have so many shingles together, and one text at least."""
    ends, first = np.cumsum(sizes), 0
    while first < len(sizes):
        most = ends[first] - sizes[first] + _SHINGLES_AT_ONCE
        last = max(first + 1, int(np.searchsorted(ends, most, "right")))
        yield first, last
        first = last


def _least(count: np.ndarray) -> np.ndarray:
    return np.ceil(count - _ROUNDING).astype(np.int64)


class _Meetings:
    """Texts that meet at a shingle, and which of them are near."""

    def __init__(self, sets: Shingles, rare: _Rare, similarity: float) -> None:
        self._sets, self._rare, self._similarity = sets, rare, similarity

    def unite(self, united: United) -> None:
        """Unite what is near. What is united already is not compared again."""
        number, text = self._rare.number, self._rare.text
        starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]][: len(number)])
        ends = np.r_[starts[1:], len(number)]
        meets = (ends - starts > 1) & self._rare.is_smaller[starts]
        starts, ends = starts[meets], ends[meets]
        # the first of each with the others, of many shingles at once
        counts = ends - starts - 1
        ones = np.repeat(starts, counts)
        others = ones + 1 + np.arange(len(ones)) - np.repeat(np.cumsum(counts) - counts, counts)
        for place in range(0, len(ones), _PAIRS_AT_ONCE):
            one, other = ones[place:][:_PAIRS_AT_ONCE], others[place:][:_PAIRS_AT_ONCE]
            can = self._can_be_near(united, one, other)
            one, other = text[one[can]], text[other[can]]
            shares = self._sets.jaccard(one, other)
            near = shares >= self._similarity
            pairs = (values[near].tolist() for values in (one, other, shares))
            for mine, theirs, share in zip(*pairs, strict=True):
                united.unite(mine, theirs, 1 - share)
        for start, end in zip(starts[counts > 1].tolist(), ends[counts > 1].tolist(), strict=True):
            self._unite_rest(united, start, end)

    def _unite_rest(self, united: United, start: int, end: int) -> None:
        """Unite the near ones of those at one shingle that were compared with the first alone."""
        text = self._rare.text
        for place in range(start + 1, end - 1):
            label = united.label[text[start:end]]
            if not self._rare.is_smaller[place] or (label == label[0]).all():
                return
            one, rest = int(text[place]), np.arange(place + 1, end)
            rest = text[rest[self._can_be_near(united, np.full(len(rest), place), rest)]]
            for first in range(0, len(rest), _PAIRS_AT_ONCE):
                others = rest[first : first + _PAIRS_AT_ONCE]
                shares = self._sets.jaccard_with(one, others)
                near = shares >= self._similarity
                for other, share in zip(others[near].tolist(), shares[near].tolist(), strict=True):
                    united.unite(one, other, 1 - share)

    def _can_be_near(self, united: United, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Which pairs are to be compared ``bool [K]``: those that are not united, and have enough
        shingles from this one on where it is the first that both have.
        """
        left, text, sizes = self._rare.left, self._rare.text, self._sets.sizes
        share = self._similarity / (1 + self._similarity)
        wanted = share * (sizes[text[one]] + sizes[text[other]]) - _ROUNDING
        new = united.label[text[one]] != united.label[text[other]]
        return np.asarray(new & (np.minimum(left[one], left[other]) >= wanted))
