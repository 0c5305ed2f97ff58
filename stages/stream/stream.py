"""The stream: batches in exact order, filled ahead of the reader by threads, by processes, or by
nobody where that is cheaper.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ...schemas import checks
from ...schemas.errors import InputError, IntegrityError
from ..spec import Spec
from .batch import FusionBatch, Labels
from .order.draws import epoch_key
from .order.order import PAD, Order, batch_count, rank_rows
from .parts.specs import FeatureSpec
from .shards.features import FeatureCache
from .shards.index import Index
from .shards.remote import ChunkCache
from .workers.buffers import Layout, Pool, Slot, heap_slot
from .workers.choose_backend import Judge
from .workers.filling import FilledRows, Filler, FillTask
from .workers.processes import ProcessCrew
from .workers.threads import Crew, Inline, Pending, ThreadCrew

Backend: TypeAlias = Literal["threads", "processes", "auto"]
_SMALLEST_TASK = 16
_STATE_VERSION = 1
_MOST_TOLD = 20
_log = logging.getLogger("modalmill.stream")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a stream works, as :func:`open_stream` was asked."""

    batch_size: int
    seed: int
    drop_last: bool
    workers: int
    backend: Backend
    prefetch: int
    rank: int | None
    world: int | None
    damage_budget: int
    pin: bool
    read_ahead_bytes: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One batch of this rank."""

    rows: np.ndarray
    positions: np.ndarray
    bucket: int
    stop: int


class StreamState(TypedDict):
    """Where a stream stands, and of which data and order: ``samples`` of an epoch are done."""

    version: int
    seed: int
    epoch: int
    samples: int
    data: str


class Stream(IterableDataset[FusionBatch]):
    """Batches of one epoch after the other; see :func:`open_stream` for the options.

    It is used as it is, or under a ``torch.utils.data.DataLoader(stream, batch_size=None,
    num_workers=...)``, whose workers then share the batches in turn. ``damaged`` counts media that
    could not be decoded.
    """

    def __init__(
        self,
        index: Index,
        specs: Sequence[Mapping[str, Spec]],
        order: Order,
        classes: np.ndarray | None,
        filler: Filler,
        settings: Settings,
        identity: str,
        cache: ChunkCache | None,
    ) -> None:
        self.index = index
        self.specs = dict(specs[0])
        self.names = tuple(self.specs)
        self.seed, self.batch_size = settings.seed, settings.batch_size
        self.epoch = 0
        self.damaged = 0
        self._order, self._classes, self._filler, self._settings, self._identity = (
            order,
            classes,
            filler,
            settings,
            identity,
        )
        self._cache = cache
        self._samples = 0
        self._loops = 0
        self._is_placed = True
        self._damage_of_epoch = 0
        self._caches: dict[str, tuple[FeatureCache, np.ndarray]] = {}
        for name, spec in self.specs.items():
            if isinstance(spec, FeatureSpec):
                vectors = FeatureCache(Path(spec.folder), spec.part)
                self._caches[name] = (vectors, vectors.rows(index.all_keys()))
        self._cheap = all(spec.is_cheap for spec in self.specs.values())
        self.backend: Backend = settings.backend
        self._judge = Judge()
        self._processes: ProcessCrew | None = None
        self._pool = Pool(
            _pinned_slot if settings.pin else heap_slot,
            self._depth(settings.workers, settings.batch_size) + 3,
        )

    def __len__(self) -> int:
        """Number of batches in an epoch, the same for every rank."""
        return batch_count(len(self._order), self.batch_size, self._settings.drop_last)

    @property
    def samples(self) -> int:
        """Number of positions in an epoch."""
        return len(self._order)

    def __iter__(self) -> Iterator[FusionBatch]:
        """The batches of an epoch: of the next one where a loop has run before, even if it was left
        early.

        A stream that was placed by :meth:`load_state_dict` or :meth:`set_epoch` begins there.
        """
        if not self._is_placed or self._ended(self._samples):
            self.epoch, self._samples = self.epoch + 1, 0
        self._is_placed = False
        self._loops += 1
        self._damage_of_epoch = 0
        jobs = self._announced(self._jobs()) if self._cache is not None else self._jobs()
        # handing such rows to a worker costs more than filling them
        if self._cheap:
            yield from self._through(
                Inline(self._filler, lambda layout: heap_slot(layout, 0)), jobs, 0
            )
        elif self._settings.workers == 0 or get_worker_info() is not None:
            yield from self._through(Inline(self._filler, self._pool.get), jobs, 0)
        else:
            yield from self._ahead(jobs)
        self.epoch, self._samples, self._is_placed = self.epoch + 1, 0, True

    def set_epoch(self, epoch: int) -> None:
        """Let the next loop begin with this epoch; within it, if :meth:`load_state_dict` has just
        placed the stream there.
        """
        if (
            checks.whole("epoch", epoch, 0) != self.epoch
            or not self._is_placed
            or self._ended(self._samples)
        ):
            self.epoch, self._samples, self._is_placed = epoch, 0, True
            self._loops += 1  # a loop that runs is over

    def state_dict(self) -> StreamState:
        """Where the stream stands, as plain JSON values: give it to :meth:`load_state_dict`, with
        any number of ranks and workers.
        """
        return self._state(self.epoch, self._samples)

    def state_after(self, batch: FusionBatch) -> StreamState:
        """The state for going on after this batch; for a stream under a ``DataLoader``, which runs
        ahead in copies of its own.
        """
        return self._state(batch.epoch, batch.samples)

    def _state(self, epoch: int, samples: int) -> StreamState:
        if self._ended(samples):
            epoch, samples = epoch + 1, 0
        return {
            "version": _STATE_VERSION,
            "seed": self.seed,
            "epoch": epoch,
            "samples": samples,
            "data": self._identity,
        }

    def _ended(self, samples: int) -> bool:
        return (
            samples > 0
            and batch_count(len(self._order) - samples, self.batch_size, self._settings.drop_last)
            <= 0
        )

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on where the stream that gave ``state`` stood; other records, another order or another
        seed are refused.
        """
        version = state.get("version") if isinstance(state, Mapping) else None
        if version != _STATE_VERSION or not {"seed", "epoch", "samples", "data"} <= set(state):
            raise InputError(
                f"wanted a state of version {_STATE_VERSION} as state_dict() gives it, found"
                f" {str(state)[:200]}"
            )
        if state["data"] != self._identity:
            raise InputError(
                f"the state belongs to other data or another order ({state['data']}, here"
                f" {self._identity}); open the same shards with the same"
                " split, where, take, repeat, weights, shuffle and buckets to go on"
            )
        if state["seed"] != self.seed:
            raise InputError(
                f"the state was saved with seed {state['seed']}, this stream has {self.seed};"
                f" open it with seed={state['seed']}"
            )
        epoch, samples = (
            checks.whole(f"the state's {name}", state[name], 0) for name in ("epoch", "samples")
        )
        if samples > len(self._order):
            raise InputError(
                f"the state's samples: wanted at most the {len(self._order):,} of an epoch, found"
                f" {samples:,}"
            )
        self.epoch, self._samples, self._is_placed = epoch, samples, True
        self._loops += 1  # a loop that runs is over

    def close(self) -> None:
        """End worker processes and fetching threads, if there are any; the stream can be used
        again.
        """
        if self._processes is not None:
            self._processes.close()
            self._processes = None
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _jobs(self) -> Iterator[_Job]:
        """This rank's slices of the global batches from the current place on; in a ``DataLoader``'s
        worker, every so many-th of them.
        """
        rank, world = self._place_among_ranks()
        info = get_worker_info()
        mine, among = (info.id, info.num_workers) if info is not None else (0, 1)
        size, total, begin = self.batch_size, len(self._order), self._samples
        # a DataLoader asks its workers in turn: taking turns here keeps the order
        for number in range(
            mine, batch_count(total - begin, size, self._settings.drop_last), among
        ):
            start = begin + number * size
            stop = min(start + size, total)
            rows = self._order.rows(self.epoch, start, stop)
            bucket = 0 if self._classes is None else int(self._classes[rows[rows != PAD]].max())
            yield _Job(
                rank_rows(rows, size, rank, world),
                rank_rows(np.arange(start, stop), size, rank, world),
                bucket,
                stop,
            )

    def _announced(self, jobs: Iterator[_Job]) -> Iterator[_Job]:
        """The same jobs; the media of those that follow are being fetched meanwhile,
        ``read_ahead_bytes`` of them.
        """
        ahead: deque[tuple[_Job, int]] = deque()
        coming = 0
        for job in jobs:
            size = sum(
                self.index.want(name, job.rows.tolist())
                for name in self.names
                if name in self.index.spans
            )
            ahead.append((job, size))
            coming += size
            while coming > self._settings.read_ahead_bytes:
                first, size = ahead.popleft()
                coming -= size
                yield first
        yield from (job for job, _ in ahead)

    def _place_among_ranks(self) -> tuple[int, int]:
        rank, world = self._settings.rank, self._settings.world
        if (
            rank is None
            and world is None
            and torch.distributed.is_available()
            and torch.distributed.is_initialized()
        ):
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        rank = _of_environment("RANK", 0) if rank is None else rank
        world = _of_environment("WORLD_SIZE", 1) if world is None else world
        if not 0 <= rank < world:
            raise InputError(f"rank {rank} of {world}: wanted 0 <= rank < world")
        return rank, world

    def _ahead(self, jobs: Iterator[_Job]) -> Iterator[FusionBatch]:
        """Batches through workers; with ``auto``, through threads at first, and through processes
        once those prove better.
        """
        count = self._settings.workers
        if self.backend != "processes":
            crew = ThreadCrew(self._filler, count, self._pool)
            try:
                with self._judge if self.backend == "auto" else contextlib.nullcontext() as judge:
                    yield from self._through(crew, jobs, count, judge)
            finally:
                crew.close()
        # the same jobs: where the judge stopped the threads, processes go on with what is left
        if self.backend == "processes":
            if self._processes is not None and self._processes.is_lost:
                self._processes.close()
                self._processes = None
            # kept for later epochs: processes are slow to start
            if self._processes is None:
                self._processes = ProcessCrew(
                    self._filler, count, self._depth(count, self.batch_size) + 3
                )
            yield from self._through(self._processes, jobs, count)

    def _through(
        self, crew: Crew, jobs: Iterator[_Job], workers: int, judge: Judge | None = None
    ) -> Iterator[FusionBatch]:
        """Batches in order, some of them on their way ahead of the reader. Stops early where the
        judge wants other workers.
        """
        waiting: deque[tuple[_Job, Pending]] = deque()
        # kept as they are now: at each yield the reader may place the stream elsewhere
        loop, depth, epoch, key = (
            self._loops,
            self._depth(workers, self.batch_size),
            self.epoch,
            epoch_key(self.seed, self.epoch),
        )
        more = True
        try:
            while True:
                while more and len(waiting) <= depth:
                    job = next(jobs, None)
                    if job is None:
                        more = False
                    else:
                        waiting.append((job, self._start(crew, job, key, workers)))
                if not waiting:
                    return
                job, pending = waiting.popleft()
                began = time.perf_counter()
                try:
                    filled = pending.result()
                except BaseException:
                    # others may still be writing into the slot
                    pending.settle()
                    raise
                if judge is not None:
                    verdict = judge.waited(time.perf_counter() - began)
                    if verdict is not None:
                        self.backend, judge = verdict, None
                        # processes do the rest: begin no more here, use up what is on its way
                        more = more and verdict == "threads"
                        _log.info("%s chosen: %s", verdict, self._judge)
                # before the yield: a state saved inside the loop counts this batch as used
                self._samples = job.stop
                batch = self._batch(job, pending, filled, epoch, key)
                # from here on the reader's tensors keep the slot from being filled again
                pending.slot.busy = False
                # a name left here would hold the slot's arrays as long as the loop
                del pending, filled
                yield batch
                del batch
                if self._loops != loop:
                    raise InputError(
                        "this loop is over: another one over the same stream, set_epoch or"
                        " load_state_dict has taken its place"
                    )
        finally:
            # also when the reader breaks off: a slot is no one else's until its workers are done
            for _, pending in waiting:
                pending.settle()

    def _depth(self, workers: int, batch_size: int) -> int:
        """How many batches are on their way beside the one that is used next: enough for every
        worker, and ``prefetch`` more.
        """
        return (
            self._settings.prefetch + -(-workers * _SMALLEST_TASK // batch_size) if workers else 0
        )

    def _start(self, crew: Crew, job: _Job, key: int, workers: int) -> Pending:
        count = len(job.rows)
        share = max(_SMALLEST_TASK, -(-count // workers)) if workers else max(1, count)
        tasks = [
            FillTask(
                job.rows[begin : begin + share],
                job.positions[begin : begin + share],
                begin,
                key,
                job.bucket,
            )
            for begin in range(0, count, share)
        ]
        return crew.start(tasks, self._filler.layout(count, job.bucket))

    def _batch(
        self, job: _Job, pending: Pending, filled: Sequence[FilledRows], epoch: int, key: int
    ) -> FusionBatch:
        rows = self._after_damage(job.rows, filled)
        arrays = pending.slot.arrays
        parts = {
            name[6:]: torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith("parts/")
        }
        for column, (name, spec) in enumerate(self.specs.items()):
            if isinstance(spec, FeatureSpec):
                parts[name] = self._features(name, rows, arrays["present"][:, column])
        return FusionBatch(
            names=self.names,
            labels=Labels.of(self.index, rows),
            parts={name: parts[name] for name in self.names if name in parts},
            lengths={
                name[8:]: torch.from_numpy(array)
                for name, array in arrays.items()
                if name.startswith("lengths/")
            },
            lists={
                name: [value for filled_rows in filled for value in filled_rows.lists[name]]
                for name in (filled[0].lists if filled else ())
            },
            present_BM=torch.from_numpy(arrays["present"]),
            weight_B=torch.from_numpy((rows != PAD).astype(np.float32)),
            epoch=epoch,
            samples=job.stop,
            positions=job.positions,
            draw_key=key,
        )

    def _after_damage(self, rows: np.ndarray, filled: Sequence[FilledRows]) -> np.ndarray:
        """The record of each row after damaged ones were left out or replaced; too much damage is
        an error.
        """
        records = rows
        for filled_rows in filled:
            for place, row in filled_rows.instead.items():
                # copied at the first change: it may be a view of the order's table
                records = rows.copy() if records is rows else records
                records[place] = row
            for message in filled_rows.damage:
                self.damaged += 1
                self._damage_of_epoch += 1
                if self.damaged <= _MOST_TOLD:
                    more = (
                        "; what follows is counted in 'damaged' and told no more"
                        if self.damaged == _MOST_TOLD
                        else ""
                    )
                    _log.warning("damaged: %s%s", message, more)
                if self._damage_of_epoch > self._settings.damage_budget:
                    raise IntegrityError(
                        f"{self._damage_of_epoch:,} media of this epoch were damaged, more than"
                        f" damage_budget={self._settings.damage_budget:,};"
                        f" the last: {message}"
                    )
        return records

    def _features(self, name: str, rows: np.ndarray, present: np.ndarray) -> torch.Tensor:
        cache, places = self._caches[name]
        mine = np.where(rows != PAD, places[rows], -1)
        np.greater_equal(mine, 0, out=present)
        if not present.any():  # the cache may hold no vector at all
            return torch.from_numpy(np.zeros((len(rows), cache.dims), cache.vectors.dtype))
        vectors = cache.vectors[np.maximum(mine, 0)]
        if not present.all():
            vectors[~present] = 0
        return torch.from_numpy(vectors)

    def __getstate__(self) -> dict[str, object]:
        """For another process: which rank this is has to be found here, where the group of
        processes is known.
        """
        rank, world = self._place_among_ranks()
        return {
            **self.__dict__,
            "_processes": None,
            "_pool": None,
            "_settings": replace(self._settings, rank=rank, world=world),
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        # never pinned: a worker process must not touch the GPU
        self._pool = Pool(heap_slot, self._depth(self._settings.workers, self.batch_size) + 3)


def _of_environment(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "").strip() or str(otherwise)
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"the environment variable {name}: wanted a whole number, found {text!r}"
        ) from None


def _pinned_slot(layout: Layout, number: int) -> Slot:
    kinds = {
        "uint8": torch.uint8,
        "float32": torch.float32,
        "int64": torch.int64,
        "bool": torch.bool,
    }
    return Slot(
        layout,
        {
            name: torch.empty(shape, dtype=kinds[kind], pin_memory=True).numpy()
            for name, (shape, kind) in layout.items()
        },
        number,
    )
