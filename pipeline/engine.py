"""Engines: who carries out the tasks. ``serial`` in this process, ``local`` on all cores, ``dask``
on a cluster.

Each task writes its own output under a name that does not depend on who ran it or when, so the
engines give the same bytes. dask is imported here alone.
"""

from __future__ import annotations

import gc
import os
import pickle
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeAlias

from ..schemas.errors import InputError, WorkerLostError
from ..stages import outside
from .guard import COLLECT, Guard, take
from .task import Task

_STARTED_EARLY = 8

EngineName: TypeAlias = Literal["serial", "local", "dask"]


class Engine(Protocol):
    """Runs tasks; results come as they are ready, with the task's place in the list."""

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[int, object]]:
        """(place, result) of each task, in any order. Tasks are taken as there are workers for
        them.
        """

    def close(self) -> None:
        """End all workers."""


class Serial:
    """One task after the other in this process: for a debugger. A decoder that hangs is not ended
    here.
    """

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[int, object]]:
        for place, task in enumerate(tasks):
            yield place, task.run(_no_beat, {})

    def close(self) -> None:
        return


class Local:
    """``workers`` child processes on this machine, each behind a guard; started when there is work,
    kept until ``close``.
    """

    def __init__(self, workers: int, deadline_s: float, memory_bytes: int) -> None:
        self._limits = (deadline_s, memory_bytes)
        self._workers = workers
        self._idle: list[Guard] = []
        self._all: list[Guard] = []
        self._stopping = False
        self._lock = threading.Lock()

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[int, object]]:
        # on leaving it waits for its threads; close() comes after that
        with ThreadPoolExecutor(self._workers) as pool:
            waiting: dict[Future[object], int] = {}
            left = iter(enumerate(tasks))
            try:
                while True:
                    for place, task in left:
                        self._start()
                        waiting[pool.submit(self._run, task)] = place
                        # one behind each that runs: no worker waits while results are used, and
                        # tasks that are made as they are taken are not all made at once
                        if len(waiting) >= 2 * self._workers:
                            break
                    if not waiting:
                        return
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield waiting.pop(future), future.result()
            # GeneratorExit too: whoever takes no more results wants no more work
            except BaseException:
                for future in waiting:
                    future.cancel()
                # threads wait for their children's answers, and leaving the pool waits for threads
                self._stop()
                raise

    def _start(self) -> None:
        """All children at once: the first map of a run often has one task, and the others are ready
        when theirs come.
        """
        if not self._all:
            self._idle = [guard.limit(*self._limits) for guard in take(early(self._workers))]
            self._all = list(self._idle)

    def _run(self, task: Task) -> object:
        with self._lock:
            # under the lock: a guard that came after the stop would be ended by nobody
            if self._stopping:
                raise WorkerLostError("the run is being stopped")
            guard = self._idle.pop() if self._idle else Guard().limit(*self._limits)
            if guard not in self._all:
                self._all.append(guard)
        result = guard.run(task)
        with self._lock:
            self._idle.append(guard)
        return result

    def _stop(self) -> None:
        """End the children; what waits for them gives up."""
        with self._lock:
            self._stopping = True
            for guard in self._all:
                guard.stop()

    def close(self) -> None:
        with self._lock:
            for guard in self._all:
                guard.close()
            self._all, self._idle, self._stopping = [], [], False


class Dask:
    """A dask cluster: the one at ``scheduler``, or a local one of ``workers`` processes. Each dask
    worker has a guarded child.
    """

    def __init__(
        self, workers: int, scheduler: str | None, deadline_s: float, memory_bytes: int
    ) -> None:
        import dask
        from distributed import Client, LocalCluster

        self._limits = (deadline_s, memory_bytes)
        # Any, here and below: the methods of distributed have no types
        self._cluster: Any = None
        dask.config.set({"distributed.comm.timeouts.connect": "10s"})
        try:
            if scheduler is None:
                self._cluster = LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
                )  # type: ignore[no-untyped-call]
            self._client: Any = Client(scheduler or self._cluster, timeout="10s")  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"--scheduler {scheduler}: no dask scheduler answers there ({error}); start one"
                " with 'dask scheduler'"
            ) from error

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[int, object]]:
        from distributed import as_completed

        used = outside.used()
        whole = (
            (place, pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL))
            for place, task in enumerate(tasks)
        )
        # not pure: dask would take two equal calls for one, and these write files
        futures = {
            self._client.submit(_guarded, used, task, self._limits, pure=False): place
            for place, task in whole
        }
        try:
            for future, result in as_completed(futures, with_results=True):  # type: ignore[no-untyped-call]
                yield futures.pop(future), result
        finally:
            self._client.cancel(list(futures))

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


_guards = threading.local()


def _guarded(used: Sequence[outside.UsedFile], task: bytes, limits: tuple[float, int]) -> object:
    """Run a task under this thread's guard; dask workers keep it between tasks, and the child ends
    with its worker.

    The task comes as bytes, for it may be made of what the user's files define, which are loaded
    first.
    """
    outside.install(used)
    held: dict[tuple[float, int], Guard] | None = getattr(_guards, "held", None)
    if held is None:
        held = _guards.held = {}
    # a dask worker outlives the run, and the next one may have other limits
    if limits not in held:
        held[limits] = Guard().limit(*limits)
    return held[limits].run(pickle.loads(task))


def make_engine(
    name: EngineName,
    workers: int | None,
    scheduler: str | None,
    deadline_s: float,
    memory_bytes: int,
) -> Engine:
    """The engine asked for; ``workers`` defaults to the cores this process may use."""
    count = workers or cores()
    if scheduler is not None or name == "dask":
        return Dask(count, scheduler, deadline_s, memory_bytes)
    return Serial() if name == "serial" else Local(count, deadline_s, memory_bytes)


def early(workers: int | None) -> int:
    """How many children a run with so many workers starts at once; the others come with the
    work.
    """
    return min(workers or cores(), _STARTED_EARLY)


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def few_collections() -> Iterator[None]:
    """Python's collector of cycles runs seldom in here, in this process as in the children."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _no_beat(item: str) -> None:
    return
