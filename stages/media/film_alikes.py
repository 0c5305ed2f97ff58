"""Films that are one, found by what changes in their sketches and confirmed on what they show:
after compression, scaling, at another frame rate, with bars, a little brighter, or as a piece of
another.

What a film shows may be the same for hours, one speaker before one wall; what changes in it is its
own. So a second of it is coded by 64 signs of random projections of what changes within it
(Charikar 2002), by which films meet; and two that met are one where what changes agrees, second for
second, over half of the shorter one. Nothing is found of films in which nothing changes.
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

_AGREEMENT = (0.82, 0.7)  # at least: in three seconds, and in all the time there is
_SHORT = 24  # thumbnails: three seconds
_WINDOW = 8  # thumbnails: a second, of films of up to 512 s
_VALUES = HEIGHT * WIDTH
_BITS = 64
_FLAT = 4.0  # grey levels, standard deviation of a thumbnail that shows nothing
_LEAST_CHANGE = 0.15  # grey levels, root of the mean square within a window
_LEAST_LENGTH = 12  # thumbnails
_LEAST_CHANGES = 6  # from one thumbnail to the next: three cuts lie in one or two each
_LEAST_THROUGHOUT = 0.5  # agreement of all but a fifth of the windows: not in an intro alone
_FIFTH = 0.2
_LEAST_SHARE = 0.5  # of the shorter film
_NEIGHBOURS, _ROTATIONS = 6, (0, 16, 32, 48)
_MOST_BITS = 12  # of 64, in which codes of films that meet differ
_MOST_SHIFTS = 3  # of one film against another that are looked at
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
        film = functools.lru_cache(4)(lambda number, at=doubled: coarser(sketches(number), at))
        for one, other, shift in _meetings(codes).tolist():
            pair = (one, other)
            # two with finer sketches have met at those
            if united.are(*pair) or doubled > max(finest[one], finest[other]):
                continue
            looked_at[pair] += 1
            if looked_at[pair] > _MOST_SHIFTS:
                continue
            agreement, length = agreement_of(film(one), film(other), shift)
            if agreement >= least_agreement(length):
                united.unite(one, other, 1 - agreement)
    return united.edges


def least_agreement(length: int) -> float:
    """From which agreement on two films are one that have so many thumbnails in common: in few of
    them changes agree by chance.
    """
    short, long = _AGREEMENT
    return long + (short - long) * min(1.0, _SHORT / length)


def agreement_of(one: Float32s, other: Float32s, shift: int) -> tuple[float, int]:
    """How well the changes in two films agree, 1 for the same, the other begun about ``shift``
    thumbnails after the one, and in how many thumbnails; 0 where they have too little in common or
    look different.
    """
    best, length = 0.0, 1
    least = max(_LEAST_LENGTH, _LEAST_SHARE * min(len(one), len(other)))
    for later in _BETWEEN:
        moved, begins = _moved(other, later), shift + (later < 0)
        begin, end = max(0, begins), min(len(one), len(moved) + begins)
        # half of what is there, but for the thumbnail that lies between two
        if end - begin < max(_LEAST_LENGTH, least - 1):
            continue
        agreement = _agreement(one[begin:end], moved[begin - begins : end - begins])
        if agreement > best:
            best, length = agreement, end - begin
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


def _agreement(one: Float32s, other: Float32s) -> float:
    """The mean correlation of what changes in the windows of two films of one length in which
    something does.
    """
    a, b = _standing_out(one), _standing_out(other)
    apart = np.abs(a - b).reshape(len(a), HEIGHT // _BLOCK[0], _BLOCK[0], -1, _BLOCK[1])
    if np.median(apart.mean((2, 4)).max((1, 2))) > _MOST_DIFFERENCE:
        return 0.0
    least = _least_change(one), _least_change(other)
    for film, change in ((a, least[0]), (b, least[1])):
        moved = np.square(np.diff(film, axis=0)).sum(1)
        if np.count_nonzero(moved > 2 * change / _WINDOW) < _LEAST_CHANGES:
            return 0.0
    power_a, power_b, common = _changes(a, a), _changes(b, b), _changes(a, b)
    changes = (power_a > least[0]) | (power_b > least[1])
    if not changes.any():
        return 0.0
    both = np.sqrt((power_a * power_b).clip(0))[changes]
    agreement = common[changes] / np.maximum(both, min(least))
    throughout = np.quantile(agreement, _FIFTH) >= _LEAST_THROUGHOUT
    return float(agreement.mean()) if throughout else 0.0


def _standing_out(film: Float32s) -> Float32s:
    """Thumbnails ``[T, 192]`` of mean 0 and variance 1, so that a fade or another brightness is no
    change; nothing where one is flat.
    """
    values = film.reshape(len(film), _VALUES)
    values = values - values.mean(1, keepdims=True)
    deviation = values.std(1, keepdims=True)
    return np.asarray(np.where(deviation < _FLAT, 0, values / np.maximum(deviation, _FLAT)))


def _least_change(film: Float32s) -> float:
    """The sum of squares in a window of what stands out from which on it counts as change."""
    deviation = float(np.median(film.reshape(len(film), _VALUES).std(1)))
    return _WINDOW * _VALUES * (_LEAST_CHANGE / max(deviation, _FLAT)) ** 2


def _changes(a: Float32s, b: Float32s) -> np.ndarray:
    """Of each window of two films ``[T, 192]`` the sum of the products of what differs from its
    mean ``[T - 7]``.
    """
    products = np.einsum("tv,tv->t", a, b)
    sums_a, sums_b = _sums(a), _sums(b)
    return np.asarray(_sums(products) - np.einsum("tv,tv->t", sums_a, sums_b) / _WINDOW)


def _sums(values: np.ndarray) -> np.ndarray:
    """Over each window, along the first axis."""
    whole = np.cumsum(values, axis=0, dtype=np.float64)
    whole[_WINDOW:] -= whole[:-_WINDOW].copy()
    return np.asarray(whole[_WINDOW - 1 :])


def _codes(finest: list[int], sketches: Sketches, doubled: int) -> _Codes:
    """The codes of all films at one step, of the windows in which something changes."""
    found: list[_Codes] = []
    for number, own in enumerate(finest):
        if own > doubled:
            continue
        film = coarser(sketches(number), doubled)
        if len(film) < _LEAST_LENGTH:
            continue
        values = _standing_out(film)
        begins = np.flatnonzero(_changes(values, values) > _least_change(film))
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
    """What the thumbnails of a window are multiplied with for its code ``[192, 8 * 64]``: random,
    and 0 for what does not change.
    """
    random = np.random.default_rng(0).standard_normal((_VALUES, _WINDOW, _BITS))
    random -= random.mean(1, keepdims=True)
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
