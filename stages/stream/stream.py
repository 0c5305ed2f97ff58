"""The stream: batches in exact order, epoch after epoch, from wherever it stands."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from ..spec import Spec
from .assemble import Assembler
from .batch import FusionBatch, told_renamed
from .cursor import Cursor, EpochSampler, StreamState
from .options import StreamOptions
from .order.batches import GlobalBatches, Job
from .order.draws import epoch_key
from .ranks import Ranks
from .shards.chunk_cache import ChunkCache
from .shards.index import Index
from .shards.read_ahead import announced
from .workers.augmenting import Augmenter
from .workers.buffers import Arrays
from .workers.crews import Backend, Crews
from .workers.damage import DamageCount, after_damage
from .workers.filling import Filler
from .workers.task import FilledRows


class Stream(IterableDataset[FusionBatch]):
    """Batches of one epoch after the other; see :func:`open_stream` for the options.

    It is used as it is, or under a ``torch.utils.data.DataLoader(stream, batch_size=None,
    num_workers=...)``, whose workers then share the batches in turn.

    specs: part -> how it is decoded (with buckets, for the shortest class). names: the parts, in
    the order of ``present_BM``'s columns.
    """

    def __init__(
        self,
        index: Index,
        sets: Sequence[np.ndarray],
        specs: Sequence[Mapping[str, Spec]],
        batches: GlobalBatches,
        options: StreamOptions,
        identity: str,
        cache: ChunkCache | None,
        augmenter: Augmenter | None = None,
    ) -> None:
        self.index = index
        self.specs = dict(specs[0])
        self.names = tuple(self.specs)
        self.seed, self.batch_size = options.seed, options.batch_size
        self._batches, self._cache = batches, cache
        self._read_ahead_bytes = options.read_ahead_bytes
        self._cursor = Cursor(batches, options.seed, identity)
        self._ranks = Ranks(options.rank, options.world)
        self._damage = DamageCount(options.most_damage(index.chosen_count))
        self._uncopied: Counter[str] = Counter()
        self._assembler = Assembler(index, specs)
        self._crews = Crews(
            Filler(index, sets, specs, options.on_damage, options.verify, augmenter),
            options.batch_size,
            workers=options.worker_count,
            backend=options.backend,
            prefetch=options.prefetch,
            is_pinned=options.is_pinned,
        )

    def __len__(self) -> int:
        """Number of batches in an epoch, the same for every rank."""
        return self._batches.count()

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {type(spec).__name__}" for name, spec in self.specs.items())
        return (
            f"Stream({self.records:,} records, {self.batch_size:,} a batch; {parts};"
            f" seed {self.seed}, at epoch {self.epoch})"
        )

    @property
    def records(self) -> int:
        """Number of records that an epoch hands out, over all ranks: a repeated one counts each
        time, and so do places that only fill up a class of length.
        """
        return self._batches.records

    @property
    def samples(self) -> int:
        """The former name of ``records``."""
        told_renamed("Stream.samples", "records")
        return self.records

    @property
    def epoch(self) -> int:
        """The epoch in which the stream stands."""
        return self._cursor.epoch

    @property
    def damaged(self) -> int:
        """How many media could not be decoded so far."""
        return self._damage.total

    @property
    def uncopied(self) -> dict[str, int]:
        """How often a stage of ``augment`` that was to change a record left it as it is, by why."""
        return dict(self._uncopied)

    @property
    def backend(self) -> Backend:
        """Who decodes; ``auto`` until it has been found out."""
        return self._crews.backend

    def __iter__(self) -> Iterator[FusionBatch]:
        """The batches of an epoch: of the next one where a loop has run before, even if it was left
        early.

        A stream that was placed by :meth:`load_state_dict` or :meth:`set_epoch` begins there.
        """
        loop = self._cursor.begin_loop()
        self._damage.begin_epoch()
        key = epoch_key(self.seed, self.epoch)
        make = functools.partial(self._batch, key)
        # closed at once when the reader breaks off or is refused: no worker goes on by itself
        with contextlib.closing(self._crews.batches(self._jobs(), key, make)) as batches:
            for batch in batches:
                yield batch
                # a name left here would keep its slot from being filled again
                del batch
                self._cursor.check_loop(loop)
        self._cursor.end_epoch()

    @property
    def sampler(self) -> EpochSampler:
        """Whom Lightning tells which epoch begins."""
        return EpochSampler(self._cursor)

    def set_epoch(self, epoch: int) -> None:
        """Let the next loop begin with this epoch; within it, if :meth:`load_state_dict` has just
        placed the stream there.
        """
        self._cursor.set_epoch(epoch)

    def state_dict(self) -> StreamState:
        """Where the stream stands, as plain JSON values: give it to :meth:`load_state_dict`, with
        any number of ranks and workers.
        """
        return self._cursor.state()

    def state_after(self, batch: FusionBatch) -> StreamState:
        """The state for going on after this batch; for a stream under a ``DataLoader``, which runs
        ahead in copies of its own.
        """
        return self._cursor.state_at(batch.epoch, batch.records_done)

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on where the stream that gave ``state`` stood; other records, another order or another
        seed are refused.
        """
        self._cursor.load(state)

    def close(self) -> None:
        """End worker processes and fetching threads, if there are any; the stream can be used
        again.
        """
        self._crews.close()
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _jobs(self) -> Iterator[Job]:
        """This rank's batches from the current place on; in a ``DataLoader``'s worker, every
        so many-th of them.
        """
        rank, world = self._ranks.here()
        # a DataLoader asks its workers in turn: taking turns here keeps the order
        worker = get_worker_info()
        turn, turns = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        jobs = self._batches.jobs(
            self._cursor.epoch, self._cursor.records_done, rank, world, turn, turns
        )
        return (
            jobs
            if self._cache is None
            else announced(jobs, self.index, self.names, self._read_ahead_bytes)
        )

    def _batch(self, key: int, job: Job, arrays: Arrays, filled: list[FilledRows]) -> FusionBatch:
        # before the batch is given out: a state saved inside the loop counts it as used
        self._cursor.records_done = job.done
        self._damage.count(filled)
        for rows in filled:
            self._uncopied.update(rows.uncopied)
        records = after_damage(job.records, filled)
        return self._assembler.batch(job, records, arrays, filled, key)
