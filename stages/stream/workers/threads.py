"""Threads that fill batches. Decoders let go of the interpreter, so threads decode beside each
other and beside the training step.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from .buffers import Layout, Pool, Slot
from .filling import Filler
from .task import FilledRows, FillTask


class Pending(Protocol):
    """A batch on its way; ``slot`` holds its arrays."""

    slot: Slot

    def result(self) -> list[FilledRows]:
        """What came of each task, once all are done; raises what a task raised."""

    def settle(self) -> None:
        """Wait until nobody fills the slot any more, whatever came of it."""


class Crew(Protocol):
    """Workers that fill batches in the order they are given."""

    def start(self, tasks: Sequence[FillTask], layout: Layout) -> Pending:
        """Begin to fill a batch."""

    def close(self) -> None:
        """End the workers."""


class _Futures:
    def __init__(self, slot: Slot, futures: list[Future[FilledRows]]) -> None:
        self.slot, self._futures = slot, futures

    def result(self) -> list[FilledRows]:
        return [future.result() for future in self._futures]

    def settle(self) -> None:
        for future in self._futures:
            future.cancel()
        wait(self._futures)
        self.slot.busy = False


class ThreadCrew:
    """A pool of threads."""

    def __init__(self, filler: Filler, count: int, pool: Pool) -> None:
        self._filler, self._pool = filler, pool
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="modalmill-stream")
        # at exit too, while there is an interpreter
        self._end = weakref.finalize(self, self._threads.shutdown, wait=True, cancel_futures=True)

    def start(self, tasks: Sequence[FillTask], layout: Layout) -> Pending:
        slot = self._pool.get(layout)
        return _Futures(
            slot, [self._threads.submit(self._filler.fill, task, slot.arrays) for task in tasks]
        )

    def close(self) -> None:
        self._end()


class Inline:
    """No workers: a batch is filled when its result is asked for."""

    def __init__(self, filler: Filler, make: Callable[[Layout], Slot]) -> None:
        self._filler, self._make = filler, make

    def start(self, tasks: Sequence[FillTask], layout: Layout) -> Pending:
        return _Now(self._make(layout), self._filler, tasks)

    def close(self) -> None:
        pass


class _Now:
    def __init__(self, slot: Slot, filler: Filler, tasks: Sequence[FillTask]) -> None:
        self.slot, self._filler, self._tasks = slot, filler, tasks

    def result(self) -> list[FilledRows]:
        return [self._filler.fill(task, self.slot.arrays) for task in self._tasks]

    def settle(self) -> None:
        self.slot.busy = False
