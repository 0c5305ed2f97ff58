"""The stream: batches in exact order from a ring of reused buffers, filled by threads ahead of the reader.

Decoders release the interpreter, so threads decode beside each other without pickling or copying. A batch is decoded whole by one
thread; the reader takes batches in order. Each buffer is reused once nobody holds it, which its reference count tells.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ...schemas.errors import DamageError, InputError, IntegrityError, nearest
from ...schemas.fingerprint import uniforms_for
from .batch import FusionBatch
from .decode import AudioSpec, FeatureCache, FeatureSpec, ImageSpec, Spec, TextSpec, VideoSpec
from .index import Index
from .order import PAD, batch_count, epoch_order, rank_rows

_DEFAULTS: dict[str, Callable[[], Spec]] = {"image": ImageSpec, "audio": AudioSpec, "video": VideoSpec}
_HELD_BY_POOL = 2
OnDamage = Literal["raise", "absent"]


class Stream:
    """Batches of one split for one epoch after the other; see :func:`open_stream` for the options."""

    def __init__(
        self, index: Index, specs: Mapping[str, Spec], batch_size: int, seed: int, shuffle: bool, drop_last: bool, threads: int, prefetch: int,
        rank: int, world: int, on_damage: OnDamage, pin: bool,
    ) -> None:  # fmt: skip
        self.index = index
        self.specs = dict(specs)
        self.names = tuple(self.specs)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.damaged = 0
        self._shuffle, self._drop_last = shuffle, drop_last
        self._threads, self._prefetch = threads, prefetch
        self._rank, self._world = rank, world
        self._on_damage, self._pin = on_damage, pin
        self._next_batch = 0
        self._buffers: dict[str, list[np.ndarray]] = {}
        self._lock = threading.Lock()
        self._caches: dict[str, tuple[FeatureCache, np.ndarray]] = {}
        for name, spec in self.specs.items():
            if isinstance(spec, FeatureSpec):
                cache = FeatureCache(Path(spec.folder), spec.part)
                self._caches[name] = (cache, cache.rows(index.table["key"]))
        # One more at the end: row PAD, which is -1, picks it.
        self._keys = np.array([*index.keys, ""], dtype=object)
        self._targets = np.array([*index.all_targets(), "{}"], dtype=object)

    def __len__(self) -> int:
        """Number of batches in an epoch, the same for every rank."""
        return batch_count(len(self.index), self.batch_size, self._drop_last)

    def __iter__(self) -> Iterator[FusionBatch]:
        """The batches of the current epoch from the current place on; at its end the epoch is raised by one."""
        order = epoch_order(len(self.index), self.seed, self.epoch, self._shuffle)
        epoch, last = self.epoch, len(self)
        if self._only_cheap():
            for number in range(self._next_batch, last):
                batch = self._make(order, epoch, number)
                self._next_batch = number + 1
                yield batch
        else:
            yield from self._ahead(order, epoch, last)
        self.epoch, self._next_batch = epoch + 1, 0

    def _only_cheap(self) -> bool:
        """Whether a hand-over between threads would cost more than making the batch here."""
        return self._threads == 0 or all(isinstance(spec, (TextSpec, FeatureSpec)) for spec in self.specs.values())

    def _ahead(self, order: np.ndarray, epoch: int, last: int) -> Iterator[FusionBatch]:
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="modalmill-stream")
        waiting: deque[Future[FusionBatch]] = deque()
        number = self._next_batch
        try:
            while True:
                while number < last and len(waiting) < self._threads + self._prefetch:
                    waiting.append(pool.submit(self._make, order, epoch, number))
                    number += 1
                if not waiting:
                    return
                batch = waiting.popleft().result()
                self._next_batch += 1
                yield batch
                del batch
        finally:
            for future in waiting:
                future.cancel()
            pool.shutdown(wait=True)

    def _make(self, order: np.ndarray, epoch: int, number: int) -> FusionBatch:
        rows = rank_rows(order, number, self.batch_size, self._rank, self._world)
        count = len(rows)
        present = np.zeros((count, len(self.names)), bool)
        parts: dict[str, torch.Tensor] = {}
        lengths: dict[str, torch.Tensor] = {}
        texts: dict[str, list[str | None]] = {}
        for column, (name, spec) in enumerate(self.specs.items()):
            if isinstance(spec, FeatureSpec):
                parts[name] = self._features(name, rows, present[:, column])
            elif isinstance(spec, TextSpec):
                found = [self.index.texts[name][row] if row != PAD else None for row in rows.tolist()]
                present[:, column] = [text is not None for text in found]
                if spec.vocabulary:
                    parts[name], lengths[name] = _tokens(spec, found)
                else:
                    texts[name] = found
            else:
                parts[name], length = self._media(name, spec, rows, present[:, column], epoch)
                if length is not None:
                    lengths[name] = length
        return FusionBatch(
            names=self.names,
            keys=self._keys[rows].tolist(),
            parts=parts,
            lengths=lengths,
            texts=texts,
            present_BM=torch.from_numpy(present),
            weight_B=torch.from_numpy((rows != PAD).astype(np.float32)),
            raw_targets=self._targets[rows].tolist(),
        )

    def _features(self, name: str, rows: np.ndarray, present: np.ndarray) -> torch.Tensor:
        cache, places = self._caches[name]
        mine = np.where(rows != PAD, places[rows], -1)
        present[:] = mine >= 0
        vectors = cache.vectors[np.maximum(mine, 0)]
        if not present.all():
            vectors[~present] = 0
        return torch.from_numpy(vectors)

    def _media(
        self, name: str, spec: ImageSpec | AudioSpec | VideoSpec, rows: np.ndarray, present: np.ndarray, epoch: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        is_sound = isinstance(spec, AudioSpec)
        buffer = self._buffer(name, (len(rows), *spec.shape()), np.float32 if is_sound else np.uint8)
        lengths = np.zeros(len(rows), np.int64)
        files, spans, shard = self.index.open_files(), self.index.spans[name], self.index.shard
        random = isinstance(spec, ImageSpec) and spec.crop == "random"
        keys, epoch_name = self.index.keys, str(epoch)
        places = np.where((rows != PAD)[:, None], spans[rows], -1).tolist()
        for place, (row, (offset, size)) in enumerate(zip(rows.tolist(), places, strict=True)):
            if size < 0:
                buffer[place] = 0
                continue
            data = os.pread(files[shard[row]], size, offset)
            try:
                if isinstance(spec, ImageSpec):
                    spec.fill(data, buffer[place], uniforms_for(self.seed, epoch_name, keys[row]) if random else None)
                elif isinstance(spec, AudioSpec):
                    lengths[place] = spec.fill(data, buffer[place])
                else:
                    spec.fill(data, buffer[place])
            except DamageError as error:
                if self._on_damage == "raise":
                    raise IntegrityError(f"{self.index.paths[shard[row]]}: sample {self.index.keys[row]}, part {name}: {error.message}") from error
                self.damaged += 1
                buffer[place] = 0
                continue
            present[place] = True
        return torch.from_numpy(buffer), torch.from_numpy(lengths) if is_sound else None

    def _buffer(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
        """A buffer that nobody holds: one of the pool, or a new one while all are held."""
        with self._lock:
            pool = self._buffers.setdefault(name, [])
            for place in range(len(pool)):
                # getrefcount counts the pool's own reference and its argument; a tensor, batch or thread that holds it makes it more
                if sys.getrefcount(pool[place]) == _HELD_BY_POOL and pool[place].shape == shape:
                    return pool[place]
            fresh = _pinned(shape, kind) if self._pin else np.empty(shape, kind)
            if len(pool) <= self._threads + self._prefetch + 2:
                pool.append(fresh)
            return fresh

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as plain JSON values: give it to :meth:`load_state_dict`, with any number of ranks and threads."""
        return {"seed": self.seed, "epoch": self.epoch, "samples": self._next_batch * self.batch_size, "shards": self.index.set.fingerprint}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the stream that gave ``state`` stood; other shards or another seed are refused."""
        if state["shards"] != self.index.set.fingerprint:
            raise InputError(f"the state belongs to shards {state['shards']}, these are {self.index.set.fingerprint}; open the same shards to go on")
        if state["samples"] % self.batch_size:
            raise InputError(f"the state stands at sample {state['samples']}, which is no multiple of the batch size {self.batch_size}")
        self.seed, self.epoch, self._next_batch = state["seed"], state["epoch"], state["samples"] // self.batch_size


def _tokens(spec: TextSpec, found: list[str | None]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = np.zeros((len(found), spec.length), np.int64)
    lengths = np.zeros(len(found), np.int64)
    for place, text in enumerate(found):
        if text is not None:
            lengths[place] = spec.fill(text, ids[place])
    return torch.from_numpy(ids), torch.from_numpy(lengths)


def _pinned(shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
    return torch.empty(shape, dtype=torch.uint8 if kind is np.uint8 else torch.float32, pin_memory=True).numpy()


def open_stream(
    shards: str | Path, split: str | None = None, batch_size: int = 64, seed: int = 0, *,
    parts: Mapping[str, Spec] | None = None, shuffle: bool = True,
    drop_last: bool | None = None, threads: int | None = None, prefetch: int = 2, rank: int | None = None, world: int | None = None,
    on_damage: OnDamage = "raise", pin: bool | None = None,
) -> Stream:  # fmt: skip
    """A stream of batches from a folder of shards.

    split: ``train``, ``val``, ...; all splits where it is None.
    batch_size: rows of a batch over all ranks together.
    parts: part name -> how it is decoded; every part with its modality's default where it is None.
    shuffle: False gives the order of the shards. drop_last: leave out the last batch if it is not full; True when shuffling.
    threads: decoding threads; the cores this process may use where it is None. prefetch: batches ready beyond one a thread.
    rank, world: this process among all; from the environment (``RANK``, ``WORLD_SIZE``) where None.
    on_damage: ``raise``, or ``absent`` to treat a medium that cannot be decoded as absent (counted in ``damaged``).
    pin: page-locked buffers; where a GPU is at hand if None.
    """
    index = Index(Path(shards), split)
    specs: dict[str, Spec] = {}
    if parts is None:
        specs = {name: _DEFAULTS.get(modality, TextSpec)() for name, modality in index.modalities.items()}
    for name, spec in (parts or {}).items():
        modality = index.modalities.get(name)
        if modality is None and not isinstance(spec, FeatureSpec):
            raise InputError(f"{shards}: no part is called {name!r}{nearest(name, index.modalities)}")
        wanted = {ImageSpec: "image", AudioSpec: "audio", VideoSpec: "video", TextSpec: "text"}.get(type(spec))
        if wanted is not None and wanted != modality:
            raise InputError(f"{shards}: {name} is {modality}, it cannot be read by {type(spec).__name__}")
        specs[name] = spec
    if batch_size < 1:
        raise InputError(f"batch_size: wanted at least 1, found {batch_size}")
    rank = int(os.environ.get("RANK", "0")) if rank is None else rank
    world = int(os.environ.get("WORLD_SIZE", "1")) if world is None else world
    if not 0 <= rank < world:
        raise InputError(f"rank {rank} of {world}: wanted 0 <= rank < world")
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if pin is None:
        pin = torch.cuda.is_available()
    last = shuffle and len(index) >= batch_size if drop_last is None else drop_last
    return Stream(index, specs, batch_size, seed, shuffle, last, threads, prefetch, rank, world, on_damage, pin)
