"""Batches of records of one class of length."""

from __future__ import annotations

import numpy as np

from ....schemas.fingerprint import random_for
from .batches import batch_count
from .order import PAD
from .recent import Recent


class Bucketed:
    """Batches of records of one class of length: each epoch the classes are shuffled apart, cut
    into batches, and the batches shuffled.

    A class's last batch is filled up with ``PAD``, or left out with ``drop_last``. ``classes``:
    class of each record ``int [N]``.
    """

    def __init__(
        self, classes: np.ndarray, batch_size: int, seed: int, shuffle: bool, drop_last: bool
    ) -> None:
        self._members = [
            np.flatnonzero(classes == number)
            for number in range(int(classes.max()) + 1 if len(classes) else 0)
        ]
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self._batches = [
            batch_count(len(members), batch_size, drop_last) for members in self._members
        ]
        self._table = Recent(self._epoch)

    def __len__(self) -> int:
        return sum(self._batches) * self._batch_size

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        table: np.ndarray = self._table(epoch if self._shuffle else 0)
        return table[start:stop]

    def _epoch(self, epoch: int) -> np.ndarray:
        random = random_for(self._seed, "buckets", str(epoch))
        tables = []
        for members, batches in zip(self._members, self._batches, strict=True):
            mine = (random.permutation(members) if self._shuffle else members)[
                : batches * self._batch_size
            ]
            tables.append(
                np.concatenate(
                    [mine, np.full(batches * self._batch_size - len(mine), PAD)]
                ).reshape(-1, self._batch_size)
            )
        table = np.concatenate(tables)
        # rows of the table are batches: moved as wholes, they stay of one class
        return (random.permutation(table) if self._shuffle else table).reshape(-1)
