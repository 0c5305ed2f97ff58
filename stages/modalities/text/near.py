"""Texts that share most of their words, found by MinHash and confirmed on the shingles themselves.

A text is the set of its shingles, runs of a few words. The share of two sets that is common to both
(Jaccard: intersection over union) says how near two texts are. Of a random order of all shingles
the first one of two sets is the same with just that chance (Broder 1997), so a few hundred orders
stand for a set. They are taken in bands of several rows, and texts that agree in all rows of any
band are candidates (locality-sensitive hashing; Leskovec, Rajaraman & Ullman, Mining of Massive
Datasets, chapter 3). A candidate counts where its Jaccard, computed from the sets, is large enough:
what is found is true, and the bands only decide how little is missed.

The orders are fixed numbers and a shingle's number depends on its words alone, so what is united
depends on neither the order of the texts nor the process. Kept are 8 bytes a shingle, and 4 a band
and text; pairs are never listed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xxhash

from ....schemas.fingerprint import random_for
from ....schemas.united import United
from .words import words

SIMILARITY = 0.8  # Jaccard, from which on texts are near
SHINGLE = 3  # words
PART = "\x1f"  # between the parts of a text, over which no shingle goes
_RECALL = 0.99  # of pairs that are just near enough, which the bands are to find
_ORDERS = 256  # bands times rows at most
_MOST_ROWS = 32
_TEXTS_AT_ONCE = 4096
_SHINGLES_AT_ONCE = 1 << 15
_PAIRS_AT_ONCE = 4096


def near_texts(
    texts: Sequence[str], similarity: float = SIMILARITY, shingle: int = SHINGLE
) -> np.ndarray:
    """For each text the number of the first that it is united with, through others or directly
    ``int64 [N]``; its own where it is alone.

    texts: as ``compared_words`` leaves them, the parts of one joined by ``PART``; one without words
        is near to none. similarity: the least Jaccard, in (0, 1]. shingle: words; a part of fewer
        is one shingle.
    """
    sets = Shingles(texts, shingle)
    united = United(len(texts))
    bands, rows = bands_and_rows(similarity)
    keys = np.empty((bands, len(sets.full)), np.uint32)
    company = np.zeros(len(sets.full), np.int64)
    for band in range(bands):
        keys[band] = _keys(sets, band, rows)
        _, bucket, count = np.unique(keys[band], return_inverse=True, return_counts=True)
        company += count[bucket]
    for band in range(bands):
        _unite_band(united, sets, keys[: band + 1], company, similarity)
    return united.first()


def bands_and_rows(similarity: float, recall: float = _RECALL) -> tuple[int, int]:
    """How many bands of how many rows find this share of the pairs that are just so near: as many
    rows as the orders allow, for more of them let fewer other pairs through.

    >>> bands_and_rows(0.8)
    (26, 8)
    """
    chosen = 1, 1
    for rows in range(1, _MOST_ROWS + 1):
        agree = similarity**rows
        bands = 1 if agree == 1 else math.ceil(math.log(1 - recall) / math.log1p(-agree))
        if rows > 1 and bands * rows > _ORDERS:
            break
        chosen = bands, rows
    return chosen


def expected_recall(similarity: float, bands: int, rows: int) -> float:
    """The chance that two sets of this Jaccard agree in all rows of any band.

    >>> round(expected_recall(0.8, 26, 8), 3)
    0.992
    """
    return float(1 - (1 - similarity**rows) ** bands)


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
        return common / np.maximum(1, self.sizes[one] + self.sizes[other] - common)

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
        return self.numbers[np.repeat(self.starts[texts] - begins, sizes) + np.arange(sizes.sum())]


def _shingled(texts: Sequence[str], shingle: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the shingles of texts, one text after the other, and how many each has."""
    hashes: list[int] = []
    lengths, text_of, place_of = [], [], []
    for number, text in enumerate(texts):
        for place, part in enumerate(text.split(PART)):
            own = words(part)
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
    value, text = value[begins], np.array(text_of, np.int64)[part[begins]]
    order = np.lexsort((value, text))
    value, text = value[order], text[order]
    once = np.r_[True, (np.diff(value) != 0) | (np.diff(text) != 0)][: len(value)]
    return value[once], np.bincount(text[once], minlength=len(texts))


def _keys(sets: Shingles, band: int, rows: int) -> np.ndarray:
    """Of each text that has shingles the number that stands for its first ones by the orders of a
    band ``uint32``.
    """
    draws = random_for(0, "minhash", str(band)).integers(0, 1 << 64, (rows, 2), np.uint64)
    factors, shifts = draws[:, 0] | np.uint64(1), draws[:, 1]
    starts = sets.starts[sets.full]
    keys = np.zeros(len(starts), np.uint64)
    ends = starts + sets.sizes[sets.full]
    first = 0
    while first < len(starts):
        # whole texts, at least one
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _SHINGLES_AT_ONCE)))
        numbers = sets.numbers[starts[first] : ends[last - 1]]
        own = starts[first:last] - starts[first]
        for factor, shift in zip(factors, shifts, strict=True):
            least = np.minimum.reduceat(numbers * factor + shift, own)
            keys[first:last] = _mixed(keys[first:last] + least)
        first = last
    return (keys >> np.uint64(32)).astype(np.uint32)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Each bit of the result depends on all of the value's (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _unite_band(
    united: United, sets: Shingles, keys: np.ndarray, company: np.ndarray, similarity: float
) -> None:
    """Unite the near ones of the texts that agree in the last band. What is united is not compared
    again, nor what met in an earlier band.
    """
    # the text that meets most others comes first, so that a hub gathers those around it at once
    order = np.lexsort((-company, keys[-1]))
    starts = np.flatnonzero(np.r_[True, np.diff(keys[-1][order]) != 0][: len(order)])
    ends = np.r_[starts[1:], len(order)]
    first = np.repeat(order[starts], ends - starts)
    for place in range(0, len(order), _PAIRS_AT_ONCE):
        one, other = first[place : place + _PAIRS_AT_ONCE], order[place : place + _PAIRS_AT_ONCE]
        new = _unlike(united, sets, keys, one, other, similarity)
        one, other = sets.full[one[new]], sets.full[other[new]]
        near = sets.jaccard(one, other) >= similarity
        for mine, theirs in zip(one[near].tolist(), other[near].tolist(), strict=True):
            united.unite(mine, theirs)
    for start, end in zip(starts[ends - starts > 2], ends[ends - starts > 2], strict=True):
        _unite_bucket(united, sets, keys, order[start:end], similarity)


def _unite_bucket(
    united: United, sets: Shingles, keys: np.ndarray, bucket: np.ndarray, similarity: float
) -> None:
    """Unite the near ones of a bucket, all of which were compared with the first."""
    for place in range(1, len(bucket) - 1):
        label = united.label[sets.full[bucket]]
        if (label == label[0]).all():
            return
        one, rest = bucket[place], bucket[place + 1 :]
        rest = rest[_unlike(united, sets, keys, one, rest, similarity)]
        for start in range(0, len(rest), _PAIRS_AT_ONCE):
            others = sets.full[rest[start : start + _PAIRS_AT_ONCE]]
            near = sets.jaccard_with(int(sets.full[one]), others) >= similarity
            for other in others[near].tolist():
                united.unite(int(sets.full[one]), other)


def _unlike(
    united: United,
    sets: Shingles,
    keys: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    similarity: float,
) -> np.ndarray:
    """At which places are pairs to compare: not united, of sizes that can be near (the smaller is
    at least so large a share of the larger), and not met in an earlier band ``int64 [K]``.
    """
    new = np.flatnonzero(united.label[sets.full[one]] != united.label[sets.full[other]])
    one, other = np.broadcast_to(one, other.shape)[new], other[new]
    small, large = np.sort([sets.sizes[sets.full[one]], sets.sizes[sets.full[other]]], axis=0)
    kept = small / large >= similarity
    new, one, other = new[kept], one[kept], other[kept]
    return new[~(keys[:-1, one] == keys[:-1, other]).any(0)]
