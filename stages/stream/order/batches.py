"""From the order of an epoch to batches: the same global batches for any number of ranks, each of
which takes its slice of every one.

global order    k7 k2 k9 k4 | k1 k8 k0 k3 | k5 k6      batch_size = 4 over all ranks
rank 0 of 2     k7 k2       | k1 k8       | k5         each takes its slice of every batch
rank 1 of 2           k9 k4 |       k0 k3 |    k6
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .order import PAD, Order


@dataclass(frozen=True, slots=True)
class Job:
    """One batch of this rank, to be filled.

    records: their numbers ``int64 [B]``. positions: where in the epoch each stands ``int64 [B]``;
    ``PAD`` in both for rows that only fill up. length_class: which chooses the specs. done: how
    many records of the epoch have been handed out once this batch, of all ranks, has been.
    """

    records: np.ndarray
    positions: np.ndarray
    epoch: int
    length_class: int
    done: int


class GlobalBatches:
    """The batches that an epoch is cut into, over all ranks together.

    classes: class of length of each record ``int [N]``; None where there is one for all.
    """

    def __init__(
        self, order: Order, batch_size: int, drop_last: bool, classes: np.ndarray | None = None
    ) -> None:
        self._order, self._size, self._drop_last = order, batch_size, drop_last
        self._classes = classes

    @property
    def records(self) -> int:
        """How many records an epoch hands out, a repeated one each time."""
        return len(self._order)

    def count(self, done: int = 0) -> int:
        """The number of batches that are left once ``done`` records have been handed out."""
        return batch_count(len(self._order) - done, self._size, self._drop_last)

    def has_ended(self, done: int) -> bool:
        """Whether an epoch with so many records handed out has no batch left."""
        return done > 0 and self.count(done) <= 0

    def jobs(
        self, epoch: int, done: int, rank: int, world: int, turn: int = 0, turns: int = 1
    ) -> Iterator[Job]:
        """A rank's slices of the batches of an epoch, after the ``done`` records that have been
        handed out; of these, number ``turn`` and every ``turns``-th from there on.
        """
        size, total = self._size, len(self._order)
        for number in range(turn, self.count(done), turns):
            start = done + number * size
            stop = min(start + size, total)
            records = self._order.records(epoch, start, stop)
            yield Job(
                rank_slice(records, size, rank, world),
                rank_slice(np.arange(start, stop), size, rank, world),
                epoch,
                # of the whole batch, and not of the slice: a rank may have nothing but padding
                0 if self._classes is None else int(self._classes[records[records != PAD]].max()),
                stop,
            )


def batch_count(count: int, batch_size: int, drop_last: bool) -> int:
    """Number of global batches of so many positions."""
    return count // batch_size if drop_last else -(-count // batch_size)


def rank_slice(records: np.ndarray, batch_size: int, rank: int, world: int) -> np.ndarray:
    """A rank's slice of a global batch of records (or of their positions); all ranks' slices are
    equally long, filled up with ``PAD``.
    """
    # with the share of a full batch, the first ranks would take all records of a short one
    share = -(-batch_size // world) if len(records) == batch_size else -(-len(records) // world)
    mine = records[rank * share : (rank + 1) * share]
    return mine if len(mine) == share else np.concatenate([mine, np.full(share - len(mine), PAD)])
