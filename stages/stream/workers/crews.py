"""The workers of a stream: nobody, threads or processes, made when they are first needed."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Generator, Iterator
from typing import Literal, TypeAlias

from torch.utils.data import get_worker_info

from ..order.batches import Job
from .ahead import Made, Make, depth_of, filled_ahead
from .buffers import Pool, heap_slot
from .choose_backend import Judge
from .filling import Filler
from .pinned import pinned_slot
from .processes import ProcessCrew
from .task import cut_into_tasks
from .threads import Crew, Inline, Pending, ThreadCrew

Backend: TypeAlias = Literal["threads", "processes", "auto"]
# slots beside those on their way: of the batch that is used next, and of two that the reader holds
_SPARE_SLOTS = 3
_log = logging.getLogger("modalmill.stream")


class Crews:
    """Fills batches by whoever does it best here.

    backend: ``auto`` until it has been found out which one it is to be.
    """

    def __init__(
        self,
        filler: Filler,
        batch_size: int,
        *,
        workers: int,
        backend: Backend,
        prefetch: int,
        is_pinned: bool,
    ) -> None:
        self.backend = backend
        self._filler, self._workers = filler, workers
        self._depth = depth_of(workers, batch_size, prefetch)
        self._judge = Judge()
        self._processes: ProcessCrew | None = None
        self._pool = Pool(pinned_slot if is_pinned else heap_slot, self._depth + _SPARE_SLOTS)

    def batches(
        self, jobs: Iterator[Job], key: int, make: Make[Made]
    ) -> Generator[Made, None, None]:
        """What ``make`` gives for each job, in order. key: what the epoch's random draws come
        from.
        """
        # handing such rows to a worker costs more than filling them
        if self._filler.is_cheap:
            inline = Inline(self._filler, lambda layout: heap_slot(layout, 0))
            yield from self._through(inline, jobs, key, make, 0)
        # a worker of a DataLoader is one already
        elif self._workers == 0 or get_worker_info() is not None:
            yield from self._through(Inline(self._filler, self._pool.get), jobs, key, make, 0)
        else:
            if self.backend != "processes":
                yield from self._by_threads(jobs, key, make)
            # the same jobs: where the judge stopped the threads, processes go on with what is left
            if self.backend == "processes":
                yield from self._through(self._process_crew(), jobs, key, make, self._workers)

    def close(self) -> None:
        """End worker processes, if there are any; new ones are made where they are needed again."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def _by_threads(self, jobs: Iterator[Job], key: int, make: Make[Made]) -> Iterator[Made]:
        """Batches through threads; with ``auto``, no longer than until processes prove better."""
        crew = ThreadCrew(self._filler, self._workers, self._pool)
        try:
            with self._judge if self.backend == "auto" else contextlib.nullcontext():
                yield from self._through(
                    crew, jobs, key, make, self._workers, shall_stop=self._shall_stop
                )
        finally:
            crew.close()

    def _process_crew(self) -> ProcessCrew:
        """The processes, kept for later epochs: they are slow to start."""
        if self._processes is not None and self._processes.is_lost:
            self.close()
        if self._processes is None:
            self._processes = ProcessCrew(self._filler, self._workers, self._depth + _SPARE_SLOTS)
        return self._processes

    def _through(
        self,
        crew: Crew,
        jobs: Iterator[Job],
        key: int,
        make: Make[Made],
        workers: int,
        shall_stop: Callable[[float], bool] | None = None,
    ) -> Iterator[Made]:
        start = functools.partial(self._start, crew, key, workers)
        return filled_ahead(jobs, start, make, self._depth if workers else 0, shall_stop)

    def _start(self, crew: Crew, key: int, workers: int, job: Job) -> Pending:
        layout = self._filler.layout(len(job.records), job.length_class)
        return crew.start(cut_into_tasks(job, key, workers), layout)

    def _shall_stop(self, waited_s: float) -> bool:
        """Whether threads shall begin no more batches, after the reader waited so long for one."""
        if self.backend != "auto":
            return False
        verdict = self._judge.waited(waited_s)
        if verdict is None:
            return False
        self.backend = verdict
        _log.info("%s chosen: %s", verdict, self._judge)
        return verdict == "processes"

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_processes": None, "_pool": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        # never pinned: a worker process must not touch the GPU
        self._pool = Pool(heap_slot, self._depth + _SPARE_SLOTS)
