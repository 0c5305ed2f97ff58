"""Films that are one, found by what changes in their sketches and confirmed on what they show:
after compression, scaling, at another frame rate, with bars, a little brighter, or as a piece of
another.

What a film shows may be the same for hours, one speaker before one wall; what changes in it is its
own. So a second of it is coded by 64 signs of random projections of what changes within it
(Charikar 2002), by which films meet; and two that met are one where what changes agrees, second for
second, all the time that both run, at least half of the shorter one. Nothing is found of films in
which nothing changes.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...schemas.arrays import Float32s
from ...schemas.united import United
from .sketch import HEIGHT, WIDTH, Sketch, coarser

_LONG, _SHORT = 0.6, 0.75  # least agreement of long films, and of 3 s
_SHORT_LENGTH = 24  # thumbnails: 3 s
_AROUND = 4  # thumbnails, from whose mean a change is one
_WINDOW = 8  # thumbnails: a second, of films of up to 512 s
_VALUES = HEIGHT * WIDTH
_BITS = 64
_FLAT = 4.0  # grey levels, standard deviation of a thumbnail that shows nothing
_LEAST_CHANGE = 0.1  # grey levels, root of the mean square within a window
_LEAST_LENGTH = 12  # thumbnails
_LEAST_CHANGES = 4
_PER_CHANGE = 2.5  # thumbnails, as which a change counts in films of few
_LEAST_THROUGHOUT = 0.5  # agreement of all but a fifth of the windows: not in an intro alone
_FIFTH = 0.2
_LEAST_SHARE = 0.5  # of the shorter film
_NEIGHBOURS, _ROTATIONS = 4, (0, 16, 32, 48)
_MOST_BITS = 15  # of 64, in which codes of films that meet differ
_MOST_SHIFTS = 3  # of one film against another that are looked at
_MOST_REFUSED = 16  # others that a film is compared with in vain, those first that met it most
_BETWEEN = (0.0, -0.5, -0.25, 0.25, 0.5)  # thumbnails, by which a shift is not a whole number
_WORTH_A_LOOK = 0.4
_BLOCK = (3, 4)  # of a thumbnail, rows and columns
_MOST_DIFFERENCE = 0.75  # standard deviations, of the block that differs most

# the number of a film -> its sketch
Sketches = Callable[[int], Sketch]


class _Codes(NamedTuple):
    """Codes ``uint64 [K]`` of windows, the film of each and where in it the window begins."""

    bits: np.ndarray
    films: np.ndarray
    begins: np.ndarray


def film_alikes(count: int, sketches: Sketches) -> list[tuple[int, int, float]]:
    """Pairs of films that are one, whole or a piece of at least half the shorter one: their
    numbers, and 1 less how well their changes agree; enough pairs to connect all.
    """
    united = United(count)
    finest = [sketches(number).doubled for number in range(count)]
    for doubled in sorted(set(finest)):
        codes = _codes(finest, sketches, doubled)
        looked_at: Counter[tuple[int, int]] = Counter()
        refused: Counter[int] = Counter()
        film = functools.lru_cache(4)(lambda number, at=doubled: coarser(sketches(number), at))
        for one, other, shift in _meetings(codes).tolist():
            pair = (one, other)
            # two with finer sketches have met at those
            if united.are(*pair) or doubled > max(finest[one], finest[other]):
                continue
            looked_at[pair] += 1
            in_vain = min(refused[one], refused[other])
            if looked_at[pair] > _MOST_SHIFTS or in_vain >= _MOST_REFUSED:
                continue
            agreement, length = agreement_of(film(one), film(other), shift)
            if agreement >= least_agreement(length):
                united.unite(one, other, 1 - agreement)
            else:
                refused.update(pair)
    return united.edges


def least_agreement(length: int) -> float:
    """From which agreement on two films are one that have so many thumbnails in common: few agree
    by chance.
    """
    return _LONG + (_SHORT - _LONG) * _SHORT_LENGTH / length


def agreement_of(one: Float32s, other: Float32s, shift: int) -> tuple[float, int]:
    """How well the changes in two films agree, 1 for the same, the other begun about ``shift``
    thumbnails after the one, and in how many thumbnails, as far as there are changes in them; 0
    where they have too little in common or look different.
    """
    best, length = 0.0, _LEAST_LENGTH
    least = max(_LEAST_LENGTH, _LEAST_SHARE * min(len(one), len(other)))
    for later in _BETWEEN:
        moved, begins = _moved(other, later), shift + (later < 0)
        begin, end = max(0, begins), min(len(one), len(moved) + begins)
        # half of what is there, but for the thumbnail that lies between two
        if end - begin < max(_LEAST_LENGTH, least - 1):
            continue
        agreement, changes = _agreement(one[begin:end], moved[begin - begins : end - begins])
        if agreement > best:
            # films of few frames, and slides, change now and then
            best, length = agreement, min(end - begin, round(_PER_CHANGE * changes))
        if best < _WORTH_A_LOOK:
            break
    return best, length


def _moved(film: Float32s, later: float) -> Float32s:
    """A film in thumbnails that lie between its own, so much later; from the one before its second
    on where that is negative.
    """
    if not later:
        return film
    share = later % 1
    return film[:-1] * np.float32(1 - share) + film[1:] * np.float32(share)


def _agreement(one: Float32s, other: Float32s) -> tuple[float, int]:
    """The mean correlation of what changes in the windows of two films of one length in which
    something does, and how many changes there are in the one that has fewer of them.
    """
    a, b = _standing_out(one), _standing_out(other)
    apart = np.abs(a - b).reshape(len(a), HEIGHT // _BLOCK[0], _BLOCK[0], -1, _BLOCK[1])
    if np.median(apart.mean((2, 4)).max((1, 2))) > _MOST_DIFFERENCE:
        return 0.0, 0
    least = _least_change(one), _least_change(other)
    count = min(_count_changes(a, least[0]), _count_changes(b, least[1]))
    if count < _LEAST_CHANGES:
        return 0.0, count
    a, b = _changes(a), _changes(b)
    power_a, power_b, common = (_products(*each) for each in ((a, a), (b, b), (a, b)))
    changes = (power_a > least[0]) | (power_b > least[1])
    if not changes.any():
        return 0.0, count
    both = np.sqrt((power_a * power_b).clip(0))[changes]
    agreement = common[changes] / np.maximum(both, min(least))
    throughout = np.quantile(agreement, _FIFTH) >= _LEAST_THROUGHOUT
    return (float(agreement.mean()) if throughout else 0.0), count


def _count_changes(values: Float32s, least: float) -> int:
    """How often what stands out ``[T, 192]`` changes from one thumbnail to the next; twice in a row
    and then no more is once, somewhere within a thumbnail.
    """
    changed = np.square(np.diff(values, axis=0)).sum(1) > 2 * least / _WINDOW
    around = np.pad(changed, (1, 2))
    before, own, after, last = (around[start:][: len(changed)] for start in range(4))
    return int(changed.sum() - (own & after & ~before & ~last).sum())


def _standing_out(film: Float32s) -> Float32s:
    """Thumbnails ``[T, 192]`` of mean 0 and variance 1, so that a fade or another brightness is no
    change; nothing where one is flat.
    """
    values = film.reshape(len(film), _VALUES)
    values = values - values.mean(1, keepdims=True)
    deviation = values.std(1, keepdims=True)
    return np.asarray(np.where(deviation < _FLAT, 0, values / np.maximum(deviation, _FLAT)))


def _least_change(film: Float32s) -> float:
    """The sum of squares in a window from which on it counts as change."""
    deviation = float(np.median(film.reshape(len(film), _VALUES).std(1)))
    return _WINDOW * _VALUES * (_LEAST_CHANGE / max(deviation, _FLAT)) ** 2


def _changes(values: Float32s) -> Float32s:
    """By how much each thumbnail differs from the mean of those around it ``[T, 192]``."""
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    begins = np.clip(np.arange(len(values)) - _AROUND // 2, 0, len(values) - _AROUND)
    means = (sums[begins + _AROUND] - sums[begins]) / _AROUND
    return np.asarray(values - means.astype(np.float32))


def _products(a: Float32s, b: Float32s) -> np.ndarray:
    """Of each window of the changes in two films ``[T, 192]`` the sum of their products
    ``[T - 7]``.
    """
    sums = np.cumsum(np.einsum("tv,tv->t", a, b), dtype=np.float64)
    sums[_WINDOW:] -= sums[:-_WINDOW].copy()
    return np.asarray(sums[_WINDOW - 1 :])


def _codes(finest: list[int], sketches: Sketches, doubled: int) -> _Codes:
    """The codes of all films at one step, of the windows in which something changes."""
    found: list[_Codes] = []
    for number, own in enumerate(finest):
        if own > doubled:
            continue
        film = coarser(sketches(number), doubled)
        if len(film) < _LEAST_LENGTH:
            continue
        values = _changes(_standing_out(film))
        begins = np.flatnonzero(_products(values, values) > _least_change(film))
        parts = (values @ _projections()).reshape(len(values), _WINDOW, _BITS)
        projected = np.zeros((len(values) - _WINDOW + 1, _BITS), np.float32)
        for place in range(_WINDOW):
            projected += parts[place : place + len(projected), place]
        bits = np.packbits(projected[begins] > 0, axis=1).view(np.uint64)[:, 0]
        found.append(_Codes(bits, np.full(len(begins), number), begins))
    if not found:
        return _Codes(np.empty(0, np.uint64), np.empty(0, int), np.empty(0, int))
    return _Codes(*(np.concatenate(each) for each in zip(*found, strict=True)))


@functools.cache
def _projections() -> Float32s:
    """What the changes of a window are multiplied with for its code ``[192, 8 * 64]``."""
    random = np.random.default_rng(0).standard_normal((_VALUES, _WINDOW, _BITS))
    return random.astype(np.float32).reshape(_VALUES, -1)


def _meetings(codes: _Codes) -> np.ndarray:
    """Where two films have codes that are near ``int64 [K, 3]``: their numbers, the smaller first,
    and by how many thumbnails the second begins later; those first that have most in common.

    Codes that are near lie beside each other in one of several orders, each of which looks at
    other bits first.
    """
    met = [np.empty((0, 3), int)]
    for turned in _ROTATIONS:
        bits = codes.bits
        if turned:
            bits = (bits << np.uint64(turned)) | (bits >> np.uint64(_BITS - turned))
        order = np.argsort(bits, kind="stable")
        bits, films, begins = bits[order], codes.films[order], codes.begins[order]
        for lag in range(1, _NEIGHBOURS + 1):
            near = np.bitwise_count(bits[lag:] ^ bits[:-lag]) <= _MOST_BITS
            places = np.flatnonzero(near & (films[lag:] != films[:-lag]))
            one, other = films[places], films[places + lag]
            shift = begins[places] - begins[places + lag]
            swapped = one > other
            met.append(
                np.stack(
                    [
                        np.minimum(one, other),
                        np.maximum(one, other),
                        np.where(swapped, -shift, shift),
                    ],
                    axis=1,
                )
            )
    places, counts = np.unique(np.concatenate(met), axis=0, return_counts=True)
    return np.asarray(places[np.argsort(-counts, kind="stable")])
