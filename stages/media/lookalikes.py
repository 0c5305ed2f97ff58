"""Pictures that look the same, found by hash and confirmed on thumbnails, united without a list of
pairs.

Two 64-bit hashes at most b bits apart are equal in one of b + 1 bands (pigeonhole), so only those
of a common band are compared. What is united already is not compared again, and a bound from
the means of blocks refuses most others before the thumbnails themselves are looked at: charts and
dark frames, which hashes hold for alike, cost little.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from ...schemas.united import United

BITS = 8  # of 64, by which the hashes of pictures that look the same differ at most
_SIDE, _BLOCK, _CELL = 32, 8, 4  # pixels of a thumbnail, of a block in it, of a cell in that
_VALUES = _SIDE * _SIDE * 3
_CELLS = (_BLOCK // _CELL) ** 2 * 3  # of a block, by colour
_BLOCKS = (_SIDE // _BLOCK) ** 2
_FLAT = 30.0  # variance of a thumbnail in which there is nothing to fit a gain to
_GAIN, _OFFSET = (0.8, 1.25), (-25.0, 25.0)
_MOST_DIFFERENCE = 4.5  # grey levels of the block that differs most
# bounds are sums of float32: they may let through what the pixels refuse, not the other way
_ROUNDING = 0.01
_AT_ONCE = 64
_BESIDE = 4
_UNKNOWN, _NONE = -2, -1
_ONE, _OTHER = np.triu_indices(_BLOCKS, 1)

Thumbnail = Callable[[int], "np.ndarray | None"]


def look_alikes(hashes: np.ndarray, bits: int, thumbnail: Thumbnail | None = None) -> United:
    """The pictures by number, united where they look alike, directly or through others. An edge is
    as long as so many bits of the two hashes differ.

    hashes: ``uint64 [N]``. thumbnail: a picture's number -> RGB ``uint8 [32, 32, 3]``, or None
        where there is none; without thumbnails the hashes decide alone.
    """
    united = United(len(hashes))
    alike = _Alike(len(hashes), thumbnail)
    # frames of a film stand beside each other, and are one set after a walk along them
    for number in range(len(hashes) - 1):
        beside = np.arange(number + 1, min(number + 1 + _BESIDE, len(hashes)))
        beside = beside[np.bitwise_count(hashes[beside] ^ hashes[number]) <= bits]
        _unite(united, alike, hashes, number, beside[united.label[beside] != united.label[number]])
    edges = np.linspace(0, 64, bits + 2).astype(int)
    earlier: list[np.uint64] = []
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << int(high)) - (1 << int(low)))
        band = hashes & mask
        # within a bucket by hash, so that what is most alike meets first
        order = np.lexsort((hashes, band))
        starts = np.flatnonzero(np.r_[True, band[order][1:] != band[order][:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            members = order[start:end]
            if (united.label[members] == united.label[members[:1]]).all():
                continue
            for position in range(len(members) - 1):
                number, rest = int(members[position]), members[position + 1 :]
                rest = rest[united.label[rest] != united.label[number]]
                apart = hashes[rest] ^ hashes[number]
                near = np.bitwise_count(apart) <= bits
                for other in earlier:  # they have met in that band
                    near &= (apart & other) != 0
                if near.any():
                    _unite(united, alike, hashes, number, rest[near])
        earlier.append(mask)
    return united


def _unite(
    united: United, alike: _Alike, hashes: np.ndarray, number: int, others: np.ndarray
) -> None:
    """Unite a picture with those of the others that look like it."""
    while len(others):
        chunk, others = others[:_AT_ONCE], others[_AT_ONCE:]
        for other in chunk[alike(number, chunk)].tolist():
            united.unite(number, other, int(hashes[number] ^ hashes[other]).bit_count())
        others = others[united.label[others] != united.label[number]]


class _Alike:
    """Whether pictures look like another one. Of those that are asked for, the thumbnails and a few
    means are kept, from which bounds refuse most.
    """

    def __init__(self, count: int, thumbnail: Thumbnail | None) -> None:
        self._thumbnail = thumbnail
        self._slot = np.full(count, _UNKNOWN)
        self._used = 0
        self._kept = _Kept(0)

    def __call__(self, number: int, others: np.ndarray) -> np.ndarray:
        """Which of the others do ``bool [K]``; one without a thumbnail does."""
        alike = np.ones(len(others), bool)
        mine, theirs = int(self._slots(np.array([number]))[0]), self._slots(others)
        if mine < 0:
            return alike
        places = np.flatnonzero(theirs >= 0)
        for refuses in (self._steps_refuse, self._cells_refuse, self._pixels_refuse):
            if len(places):
                refused = refuses(mine, theirs[places])
                alike[places[refused]] = False
                places = places[~refused]
        return alike

    def _steps_refuse(self, one: int, others: np.ndarray) -> np.ndarray:
        steps = self._kept.steps
        return np.asarray(
            least_difference(steps[one], steps[others]) > _MOST_DIFFERENCE + _ROUNDING
        )

    def _cells_refuse(self, one: int, others: np.ndarray) -> np.ndarray:
        """By the means of cells of 4 x 4 pixels once gain and offset are fitted to all pixels: what
        cells differ by, their pixels differ by at least.
        """
        kept = self._kept
        cells, mean, varies = kept.cells, kept.mean, kept.varies
        product = kept.pixels[others].astype(np.float32) @ kept.pixels[one].astype(np.float32)
        moved = product / _VALUES - mean[others] * mean[one]
        there = _fitted(mean[one], varies[one], mean[others], moved)
        back = _fitted(mean[others], varies[others], mean[one], moved)
        apart = (
            there[0][:, None] * cells[one] + there[1][:, None] - cells[others],
            back[0][:, None] * cells[others] + back[1][:, None] - cells[one],
        )
        least = [
            np.abs(difference).reshape(-1, _BLOCKS, _CELLS).mean(2).max(1) for difference in apart
        ]
        return np.asarray(np.maximum(*least) > _MOST_DIFFERENCE + _ROUNDING)

    def _pixels_refuse(self, one: int, others: np.ndarray) -> np.ndarray:
        pixels = self._kept.pixels.reshape(-1, _SIDE, _SIDE, 3)
        return np.asarray(differences(pixels[one], pixels[others]) > _MOST_DIFFERENCE)

    def _slots(self, numbers: np.ndarray) -> np.ndarray:
        """Where what is kept of these pictures stands; negative for those without a thumbnail."""
        for number in numbers[self._slot[numbers] == _UNKNOWN].tolist():
            pixels = None if self._thumbnail is None else self._thumbnail(number)
            self._slot[number] = _NONE
            if pixels is not None:
                if self._used == len(self._kept.mean):
                    self._kept = self._kept.larger()
                self._kept.put(self._used, pixels)
                self._slot[number] = self._used
                self._used += 1
        return np.asarray(self._slot[numbers])


class _Kept:
    """Of so many thumbnails: pixels, their mean and variance, the means of cells (block by block),
    and the steps between blocks.
    """

    def __init__(self, count: int) -> None:
        self.pixels = np.empty((count, _VALUES), np.uint8)
        self.mean, self.varies = np.empty(count, np.float32), np.empty(count, np.float32)
        self.cells = np.empty((count, _BLOCKS * _CELLS), np.float32)
        self.steps = np.empty((count, len(_ONE)), np.float32)

    def put(self, slot: int, pixels: np.ndarray) -> None:
        self.pixels[slot] = pixels.ravel()
        self.mean[slot], self.varies[slot] = pixels.mean(), pixels.var()
        shape = (
            _SIDE // _BLOCK,
            _BLOCK // _CELL,
            _CELL,
            _SIDE // _BLOCK,
            _BLOCK // _CELL,
            _CELL,
            3,
        )
        cells = pixels.reshape(shape).mean(
            (2, 5), dtype=np.float32
        )  # block, cell, block, cell, colour
        self.cells[slot] = cells.transpose(0, 2, 1, 3, 4).ravel()
        self.steps[slot] = block_steps(pixels)

    def larger(self) -> _Kept:
        """The same with room for more."""
        count = len(self.mean)
        larger = _Kept(max(1024, 2 * count))
        for name, values in vars(self).items():
            vars(larger)[name][:count] = values
        return larger


def _fitted(
    mean_a: np.ndarray, varies_a: np.ndarray, mean_b: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset that bring a to b, within bounds; of a flat picture as it is. moved: their
    covariance.
    """
    fits = varies_a >= _FLAT
    gain = np.where(fits, np.clip(moved / np.maximum(varies_a, _FLAT), *_GAIN), 1.0)
    offset = np.where(fits, np.clip(mean_b - gain * mean_a, *_OFFSET), 0.0)
    return gain.astype(np.float32), offset.astype(np.float32)


def block_steps(pixels: np.ndarray) -> np.ndarray:
    """By how much the mean of each block of a thumbnail exceeds that of each other one
    ``float32 [120]``.
    """
    means = _blocks(pixels.astype(np.float32)[None])[0].astype(np.float32)
    return np.asarray(means[_ONE] - means[_OTHER])


def least_difference(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """At least how much :func:`differences` are ``[K]``, from the steps between blocks: an offset
    leaves a step as it is, a gain within its bounds stretches it so far and no further, and half of
    what is left lies in one of the two blocks.
    """
    low, high = (
        np.minimum(_GAIN[0] * one, _GAIN[1] * one),
        np.maximum(_GAIN[0] * one, _GAIN[1] * one),
    )
    beyond = np.maximum(low - others, others - high).clip(0.0)
    least: np.ndarray = beyond.max(1) / 2
    return least


def differences(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """By how many grey levels the 8 x 8 block that differs most differs on average ``[K]``, once
    gain and offset are fitted within bounds, either way. one: ``uint8 [32, 32, 3]``, others:
    ``uint8 [K, 32, 32, 3]``.
    """
    a = np.broadcast_to(one.astype(np.float32), others.shape)
    b = others.astype(np.float32)
    return np.asarray(np.maximum(_one_way(a, b), _one_way(b, a)))


def _one_way(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    axes = (1, 2, 3)
    mean_a, mean_b = a.mean(axes), b.mean(axes)
    varies = a.var(axes)
    moved = ((a - _spread(mean_a)) * (b - _spread(mean_b))).mean(axes)
    gain, offset = _fitted(mean_a, varies, mean_b, moved)
    largest: np.ndarray = _blocks(np.abs(_spread(gain) * a + _spread(offset) - b)).max(1)
    return largest


def _spread(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None, None]


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """The means of the blocks of thumbnails ``[K, 16]``."""
    shape = (len(pixels), _SIDE // _BLOCK, _BLOCK, _SIDE // _BLOCK, _BLOCK, pixels.shape[3])
    return np.asarray(pixels.reshape(shape).mean((2, 4, 5)).reshape(len(pixels), _BLOCKS))
