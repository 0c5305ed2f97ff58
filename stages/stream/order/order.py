"""The order of an epoch: a pure function of seed, epoch and the records, so that any number of
ranks and workers can take part and leave.

An order answers which records stand at the positions [start, stop) of an epoch, at once for any
start: that is why a stream resumes at any record as fast as it begins.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

PAD = -1


class Order(Protocol):
    """Which record stands where; ``len`` is the number of positions of an epoch."""

    def __len__(self) -> int: ...

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        """The numbers of the records at these positions ``int64 [stop - start]``, ``PAD`` where a
        position holds none.
        """


class Sequential:
    """As stored."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return np.arange(start, stop)


class Repeated:
    """An epoch of several passes, each in its own order."""

    def __init__(self, order: Order, times: int) -> None:
        self._order, self._times = order, times

    def __len__(self) -> int:
        return len(self._order) * self._times

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        return records_across(self._order, epoch * len(self) + start, epoch * len(self) + stop)


class Chosen:
    """An order over some of the records, ``chosen``: position -> place in ``chosen`` -> record."""

    def __init__(self, order: Order, chosen: np.ndarray) -> None:
        self._order, self._chosen = order, chosen

    def __len__(self) -> int:
        return len(self._order)

    def records(self, epoch: int, start: int, stop: int) -> np.ndarray:
        records: np.ndarray = self._chosen[self._order.records(epoch, start, stop)]
        return records


def records_across(order: Order, start: int, stop: int) -> np.ndarray:
    """The records at positions that are counted on from epoch to epoch of an order."""
    length, stretches = len(order), []
    while start < stop:
        epoch, place = divmod(start, length)
        last = min(length, place + stop - start)
        stretches.append(order.records(epoch, place, last))
        start += last - place
    return np.concatenate(stretches) if stretches else np.empty(0, np.int64)
