"""Blocks shuffled, and mixed within windows: for data that are dear to fetch, each block is read
once an epoch.
"""

from __future__ import annotations

import numpy as np

from ....schemas.fingerprint import random_for
from .recent import Recent


class BlockShuffled:
    """Blocks of neighbouring records in shuffled order, and the records of ``window`` blocks mixed
    together.

    stored    | a b c | d e f | g h i | j k l |        blocks
    blocks    | g h i | a b c | j k l | d e f |        shuffled
    windows   | b h g i c a   | d l f k j e   |        of two blocks

    For data that are dear to fetch: no more than ``window`` blocks are in use at a time, each is
    fetched once an epoch. Memory: 16 bytes a block and 8 a record of two windows. ``starts``: first
    position of each block, and the number of records at the end, ``int64 [blocks + 1]``.
    """

    def __init__(self, starts: np.ndarray, seed: int, window: int, name: str = "order") -> None:
        self._starts, self._seed, self._size, self._name = starts, seed, max(1, window), name
        self._epoch_blocks = Recent(self._blocks)
        self._mixed = Recent(self._window)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        if stop <= start:
            return np.empty(0, np.int64)
        # where windows end is known without mixing any, so that a loop can begin anywhere
        ends = self._epoch_blocks(epoch)[1]
        stretches = []
        number = int(np.searchsorted(ends, start, side="right"))
        while start < stop:
            first = int(ends[number - 1]) if number else 0
            records = self._mixed(epoch, number)[start - first : stop - first]
            stretches.append(records)
            start += len(records)
            number += 1
        return np.concatenate(stretches)

    def _blocks(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The shuffled blocks, and the position at which each window ends."""
        blocks = random_for(self._seed, self._name, "blocks", str(epoch)).permutation(
            len(self._starts) - 1
        )
        sizes = np.diff(self._starts)[blocks]
        return blocks, np.cumsum(np.add.reduceat(sizes, np.arange(0, len(sizes), self._size)))

    def _window(self, epoch: int, number: int) -> np.ndarray:
        blocks = self._epoch_blocks(epoch)[0][number * self._size : (number + 1) * self._size]
        records = np.concatenate(
            [np.arange(self._starts[block], self._starts[block + 1]) for block in blocks]
        )
        # a seed for each window: it can be mixed without those before it
        return random_for(self._seed, self._name, "window", str(epoch), str(number)).permutation(
            records
        )
