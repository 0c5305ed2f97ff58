"""Permutations that need no table: a Feistel network gives the place of any record, whatever their
number.
"""

from __future__ import annotations

import numpy as np

from ....schemas.fingerprint import random_for
from .recent import Recent

_LARGEST_TABLE = 1 << 20
_ROUNDS = 8


class Shuffled:
    """A permutation of all records, another one each epoch.

    Up to 2^20 records it is numpy's (8 bytes a record, uniform). Beyond, it is computed place by
    place and takes no memory: a Feistel network of eight rounds over a rectangle of about N cells
    (Black and Rogaway 2002, *Ciphers with Arbitrary Finite Domains*).
    """

    def __init__(self, count: int, seed: int, name: str = "order") -> None:
        self._count, self._seed, self._name = count, seed, name
        self._table = Recent(self._permutation)

    def __len__(self) -> int:
        return self._count

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        if self._count <= _LARGEST_TABLE:
            table: np.ndarray = self._table(epoch)
            return table[start:stop]
        return permuted(
            np.arange(start, stop, dtype=np.uint64), self._count, self._keys(epoch)
        ).astype(np.int64)

    def _permutation(self, epoch: int) -> np.ndarray:
        return random_for(self._seed, self._name, str(epoch)).permutation(self._count)

    def _keys(self, epoch: int) -> np.ndarray:
        return random_for(self._seed, self._name, str(epoch)).integers(
            0, 2**64, _ROUNDS, dtype=np.uint64
        )


def permuted(places: np.ndarray, count: int, keys: np.ndarray) -> np.ndarray:
    """Where each place of [0, count) goes in a permutation that the keys choose (``uint64``, one a
    round).

    A place is a cell (left, right) of a rectangle of at least ``count`` cells; each round adds to
    one coordinate a mix of the other, modulo its length. A cell beyond ``count`` is sent on until
    it lands inside.
    """
    # nearly a square, with less than a row to spare: few places ever land outside
    height = np.uint64(int(np.ceil(np.sqrt(count))))
    width = np.uint64(-(-count // int(height)))
    out = _rounds(places, height, width, keys)
    # the rounds permute the whole rectangle, so that no two places of [0, count) that are sent on
    # until they land inside can land on the same one
    outside = np.flatnonzero(out >= count)
    while len(outside):
        out[outside] = _rounds(out[outside], height, width, keys)
        outside = outside[out[outside] >= count]
    return out


def _rounds(
    places: np.ndarray, height: np.uint64, width: np.uint64, keys: np.ndarray
) -> np.ndarray:
    left: np.ndarray = places // width
    right: np.ndarray = places % width
    # a round changes one coordinate by what the other says, so it can be undone: that makes it a
    # permutation, whatever mix does
    for number, key in enumerate(keys):
        if number % 2:
            # reduced before it is added: the sum stays far from the end of uint64
            right = (right + mix(left, key) % width) % width
        else:
            left = (left + mix(right, key) % height) % height
    out: np.ndarray = left * width + right
    return out


def mix(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014) of each value and the key."""
    mixed = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
