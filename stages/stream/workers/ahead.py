"""Batches in order, some of them on their way ahead of the reader.

reader has     b0
on their way       b1 b2 b3      at most ``depth`` beside the one that is used next
not begun                   b4 ...

Who leaves early, and what goes wrong, must leave no worker that writes into memory of others: no
slot is given back before its workers are done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from ..order.batches import Job
from .buffers import Arrays
from .task import SMALLEST_TASK, FilledRows
from .threads import Pending

Made = TypeVar("Made")
Make: TypeAlias = Callable[[Job, Arrays, list[FilledRows]], Made]


def depth_of(workers: int, batch_size: int, prefetch: int) -> int:
    """How many batches are on their way beside the one that is used next: enough for every
    worker, and ``prefetch`` more.
    """
    return prefetch + -(-workers * SMALLEST_TASK // batch_size) if workers else 0


def filled_ahead(
    jobs: Iterator[Job],
    start: Callable[[Job], Pending],
    make: Make[Made],
    depth: int,
    shall_stop: Callable[[float], bool] | None = None,
) -> Iterator[Made]:
    """What ``make`` gives for the arrays of each batch, in order.

    shall_stop: told for each batch how many seconds the reader waited for it; where it says so, no
    more jobs are taken, and what is on its way is used up.
    """
    waiting: deque[tuple[Job, Pending]] = deque()
    more = True
    try:
        while True:
            while more and len(waiting) <= depth:
                job = next(jobs, None)
                if job is None:
                    more = False
                else:
                    waiting.append((job, start(job)))
            if not waiting:
                return
            job, pending = waiting.popleft()
            began = time.perf_counter()
            filled = _result(pending)
            if shall_stop is not None and shall_stop(time.perf_counter() - began):
                more = False
            try:
                made = make(job, pending.slot.arrays, filled)
            finally:
                # from here on the reader's tensors keep the slot from being filled again
                pending.slot.busy = False
            # a name left here would hold the slot's arrays as long as the loop
            del pending, filled
            yield made
            del made
    finally:
        # also when the reader breaks off: a slot is no one else's until its workers are done
        for _, pending in waiting:
            pending.settle()


def _result(pending: Pending) -> list[FilledRows]:
    try:
        return pending.result()
    except BaseException:
        # others may still be writing into the slot
        pending.settle()
        raise
