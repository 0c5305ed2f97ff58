"""The order of an epoch: a pure function of seed, epoch and the records, so that any number of
ranks and workers can take part and leave.

global order    k7 k2 k9 k4 | k1 k8 k0 k3 | k5 k6      batch_size = 4 over all ranks
rank 0 of 2     k7 k2       | k1 k8       | k5         each takes its slice of every batch
rank 1 of 2           k9 k4 |       k0 k3 |    k6

An order answers which records stand at the positions [start, stop) of an epoch, at once for any
start: that is why a stream resumes at any sample as fast as it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

import numpy as np

PAD = -1


class Order(Protocol):
    """Which record stands where; ``len`` is the number of positions of an epoch."""

    def __len__(self) -> int: ...

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        """Record numbers ``int64 [stop - start]`` of these positions, ``PAD`` where a position
        holds none.
        """


Made = TypeVar("Made")


class _Recent(Generic[Made]):
    """Remembers the last two results of a function; a copy sent to another process
    remembers none.
    """

    def __init__(self, function: Callable[..., Made]) -> None:
        self._function = function
        self._known: dict[Hashable, Made] = {}

    def __call__(self, *key: Hashable) -> Made:
        # two results, since a batch may lie across the border of two windows or epochs
        if key not in self._known:
            while len(self._known) > 1:
                del self._known[next(iter(self._known))]
            self._known[key] = self._function(*key)
        return self._known[key]

    def __getstate__(self) -> dict[str, object]:
        return {"_function": self._function, "_known": {}}


class Sequential:
    """As stored."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return np.arange(start, stop)


class Repeated:
    """An epoch of several passes, each in its own order."""

    def __init__(self, order: Order, times: int) -> None:
        self._order, self._times = order, times

    def __len__(self) -> int:
        return len(self._order) * self._times

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return _across(self._order, epoch * len(self) + start, epoch * len(self) + stop)


def _across(order: Order, start: int, stop: int) -> np.ndarray:
    """Positions of an order that goes on epoch after epoch."""
    length, stretches = len(order), []
    while start < stop:
        epoch, place = divmod(start, length)
        last = min(length, place + stop - start)
        stretches.append(order.rows(epoch, place, last))
        start += last - place
    return np.concatenate(stretches) if stretches else np.empty(0, np.int64)


class Chosen:
    """An order over some of the records: position -> place in ``rows`` -> record."""

    def __init__(self, order: Order, rows: np.ndarray) -> None:
        self._order, self._rows = order, rows

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        records: np.ndarray = self._rows[self._order.rows(epoch, start, stop)]
        return records


def batch_count(count: int, batch_size: int, drop_last: bool) -> int:
    """Number of global batches of so many positions."""
    return count // batch_size if drop_last else -(-count // batch_size)


def rank_rows(rows: np.ndarray, batch_size: int, rank: int, world: int) -> np.ndarray:
    """A rank's slice of the record numbers of a global batch; all ranks' slices are equally long,
    filled up with ``PAD``.
    """
    # with the share of a full batch, the first ranks would take all rows of a short one
    share = -(-batch_size // world) if len(rows) == batch_size else -(-len(rows) // world)
    mine = rows[rank * share : (rank + 1) * share]
    return mine if len(mine) == share else np.concatenate([mine, np.full(share - len(mine), PAD)])
