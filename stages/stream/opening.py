"""Opening a stream: what the user asks for, checked, and put together."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from ...schemas import checks
from ...schemas.errors import InputError, nearest
from ...schemas.fingerprint import fingerprint, hash_bytes
from ..modality import is_in_record
from ..modality import modality as modality_of
from ..modality import names as names_of_modalities
from ..spec import Spec
from .order.blocks import BlockShuffled
from .order.buckets import Bucketed
from .order.mixed import mixed
from .order.order import Chosen, Order, Repeated, Sequential
from .order.permutation import Shuffled
from .parts.specs import BytesSpec, FeatureSpec, JsonSpec
from .shards.files import LocalStorage, Storage, cache_folder
from .shards.find_tars import find_tars
from .shards.foreign_tars import KeyRule
from .shards.index import Index
from .shards.remote import CHUNK_BYTES, ChunkCache, RemoteStorage
from .stream import Backend, Settings, Stream
from .workers.filling import Filler, OnDamage, Verify

Shards: TypeAlias = "str | Path | Sequence[str | Path]"
_LEAST_BUDGET = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blocks:
    """Shuffle by blocks of ``block_bytes`` of a tar, mixed within windows of ``window_bytes``: each
    block is read once an epoch.

    For data that are dear to fetch. The memory (or cache) that a window takes is its bound.
    """

    block_bytes: int = CHUNK_BYTES
    window_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        checks.whole("Blocks: block_bytes", self.block_bytes, 1)
        checks.whole("Blocks: window_bytes", self.window_bytes, 1)


def open_stream(
    shards: Shards,
    split: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    *,
    parts: Mapping[str, Spec] | Sequence[str] | None = None,
    shuffle: bool | Blocks = True,
    drop_last: bool | None = None,
    where: str | None = None,
    take: int | None = None,
    repeat: int = 1,
    weights: Sequence[float] | None = None,
    buckets: Mapping[str, Sequence[float]] | None = None,
    workers: int | None = None,
    backend: Backend = "threads",
    prefetch: int = 2,
    rank: int | None = None,
    world: int | None = None,
    on_damage: OnDamage = "raise",
    damage_budget: int | None = None,
    verify: Verify = "first",
    pin: bool | None = None,
    keys: KeyRule = "auto",
    cache: str | Path | None = None,
    cache_bytes: int = 16 << 30,
    read_ahead_bytes: int = 64 << 20,
    storage_options: Mapping[str, object] | None = None,
) -> Stream:
    """A stream of batches from shards.

    shards: a folder, a tar, a pattern (``out/train-*.tar``, ``data/{000..099}.tar``), a url of one
    (``s3://...``), or a list of them. Tars that others wrote are indexed at the first time;
    ``keys`` says which dot of a member's name ends the key.
    split: ``train``, ``val``, ..., several as ``fold1+fold2``; all where it is None.
    batch_size: rows of a batch over all ranks together.
    parts: part name -> how it is decoded; with its modality's default where only names are given;
        every part where it is None.
    shuffle: False gives the order of the shards; True another permutation each epoch (of blocks,
        for a url); ``Blocks(...)`` as it says.
    drop_last: leave out the last batch if it is not full; True when shuffling.
    where: keep the records for which this is true: ``"image.sharpness > 50 and 'audio' in parts"``,
    of measurements, targets, key, group, split and tar.
    take: keep the first so many of each set. repeat: passes over the records in an epoch.
    weights: shares in which the listed sets are mixed; without them they are one.
    buckets: ``{"voice": [2, 4, 8]}``: batches of records of one class of length, in seconds of a
    sound or tokens of a text, each with its own shape.
    workers: how many decode; the cores this process may use where it is None, 0 for none. backend:
    ``threads``, ``processes``, or ``auto``, which begins with threads and goes over to processes
    where those wait for the interpreter. prefetch: batches ready beyond one a worker.
    rank, world: this process among all; from ``torch.distributed`` or the environment (``RANK``,
        ``WORLD_SIZE``) where None.
    on_damage: ``raise``; or treat what cannot be decoded as ``absent``, ``skip`` its row (weight
    0), or ``replace`` it by another record; counted in ``damaged`` and logged, an error beyond
    ``damage_budget`` (a hundredth of the records if None).
    verify: compare checksums at the ``first`` reading, ``always`` or ``never``.
    pin: page-locked buffers; where a GPU is at hand if None.
    cache, cache_bytes: folder and size of the cache of urls (``MODALMILL_CACHE``, or
    ``~/.cache/modalmill``); read_ahead_bytes: how much is fetched ahead; storage_options: what
    fsspec's file system shall know (``{"endpoint_url": ...}``).
    """
    seed = checks.whole("seed", seed)
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("repeat", repeat, 1),
        ("prefetch", prefetch, 0),
        ("workers", workers, 0),
        ("take", take, 1),
        ("rank", rank, 0),
        ("world", world, 1),
        ("damage_budget", damage_budget, 0),
        ("cache_bytes", cache_bytes, 0),
        ("read_ahead_bytes", read_ahead_bytes, 0),
    ):
        if value is not None:
            checks.whole(name, value, least)
    for name, word, kind in (
        ("backend", backend, Backend),
        ("on_damage", on_damage, OnDamage),
        ("verify", verify, Verify),
        ("keys", keys, KeyRule),
    ):
        checks.choice(name, word, kind)
    for name, value in (("drop_last", drop_last), ("pin", pin)):
        if value is not None:
            checks.flag(name, value)
    if buckets is not None and not isinstance(buckets, Mapping):
        raise InputError(
            f"buckets: wanted a part with lengths, as {{'voice': [2, 4, 8]}}, found {buckets!r}"
        )
    if where is not None and not (isinstance(where, str) and where.strip()):
        raise InputError(f'where: wanted a condition, as "image.sharpness > 50", found {where!r}')
    if not isinstance(shuffle, (bool, Blocks)):
        raise InputError(f"shuffle: wanted True, False or Blocks(...), found {shuffle!r}")
    names = (
        [shards]
        if isinstance(shards, (str, Path))
        else list(shards)
        if isinstance(shards, (list, tuple))
        else []
    )
    if not names or not all(isinstance(name, (str, Path)) for name in names):
        raise InputError(
            f"shards: wanted a folder, a tar, a pattern, a url or a list of them, found {shards!r}"
        )
    weights = None if weights is None else checks.shares("weights", weights, len(names))
    chunks = (
        ChunkCache(Path(cache) if cache else cache_folder(), cache_bytes)
        if any(is_url(name) for name in names)
        else None
    )
    shard_sets = [
        find_tars(name, keys, functools.partial(_storage, chunks, storage_options or {}))
        for name in names
    ]
    index = Index(shard_sets, split, where, take)
    where_from = ", ".join(str(name) for name in names)
    if not len(index):
        raise InputError(f"{where_from}: no samples in these tars")
    specs = _specs(index, parts, where_from)
    count = sum(len(chosen) for chosen in index.chosen)
    if not count:
        raise InputError(f"{where_from}: no record is left by where={where!r}")
    by_blocks = (
        shuffle
        if isinstance(shuffle, Blocks)
        else Blocks()
        if shuffle and any(shard_set.is_remote for shard_set in shard_sets)
        else None
    )
    # dropping the last batch of a set smaller than one would leave nothing at all
    last = bool(shuffle) and count >= batch_size and not buckets if drop_last is None else drop_last
    classes, sized = None, [specs]
    if buckets:
        if weights is not None or repeat > 1 or by_blocks:
            raise InputError(
                "buckets: cannot be together with weights, repeat or blocks; open the sets apart"
            )
        classes, sized = _bucketed(index, specs, buckets)
        # the appended -1 is what PAD (-1) looks up, so that PAD stays PAD
        rows = np.concatenate(index.chosen)
        order: Order = Chosen(
            Bucketed(classes[rows], batch_size, seed, bool(shuffle), last), np.append(rows, -1)
        )
    else:
        order = _order(index, seed, bool(shuffle), by_blocks, weights)
        order = Repeated(order, repeat) if repeat > 1 else order
    if workers is None:
        workers = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    # all that decides which record stands where; the batch size does so with buckets only
    identity = fingerprint(
        index.fingerprint,
        split,
        where,
        take,
        repeat,
        weights,
        repr(by_blocks or shuffle),
        dict(buckets or {}),
        batch_size if buckets else None,
        "" if classes is None else hash_bytes(classes.tobytes()),
    )
    settings = Settings(
        batch_size=batch_size,
        seed=seed,
        drop_last=last,
        workers=workers,
        backend=backend,
        prefetch=prefetch,
        rank=rank,
        world=world,
        damage_budget=max(_LEAST_BUDGET, count // 100) if damage_budget is None else damage_budget,
        pin=torch.cuda.is_available() if pin is None else pin,
        read_ahead_bytes=read_ahead_bytes,
    )
    return Stream(
        index,
        sized,
        order,
        classes,
        Filler(index, sized, on_damage, verify),
        settings,
        identity,
        chunks,
    )


def is_url(path: str | Path) -> bool:
    """Whether this is a url of another place (``file://`` is this one)."""
    return "://" in str(path) and not str(path).startswith("file://")


def _storage(chunks: ChunkCache | None, options: Mapping[str, object], path: str) -> Storage:
    return (
        RemoteStorage(path, chunks, options)
        if chunks is not None and is_url(path)
        else LocalStorage()
    )


def _specs(
    index: Index, parts: Mapping[str, Spec] | Sequence[str] | None, where_from: str
) -> dict[str, Spec]:
    """The spec of each part that is wanted; defaults where only names are given."""
    if isinstance(parts, str) or not isinstance(parts, (Mapping, Sequence, type(None))):
        raise InputError(
            f"parts: wanted a mapping from names to specs, or a list of names, found {parts!r}"
        )
    if not isinstance(parts, Mapping):
        names = list(index.parts if parts is None else parts)
        parts = {
            name: _default(index.parts.get(name, "") if isinstance(name, str) else "")
            for name in names
        }
    for name, spec in parts.items():
        if not isinstance(name, str):
            raise InputError(f"parts: wanted names, found {name!r}")
        modality = index.parts.get(name)
        if not isinstance(spec, Spec):
            description = (
                f"the class {spec.__name__}; write {spec.__name__}()"
                if isinstance(spec, type)
                else repr(spec)
            )
            raise InputError(
                f"parts: {name}: wanted a spec, as ImageSpec(size=224), found {description}"
            )
        if isinstance(spec, FeatureSpec):
            continue
        if modality is None:
            raise InputError(
                f"{where_from}: no part is called {name!r}{nearest(name, index.parts)}"
            )
        if spec.modality and spec.modality != modality:
            raise InputError(
                f"{where_from}: {name} is {modality}, it cannot be read by {type(spec).__name__}"
            )
        if isinstance(spec, BytesSpec) and is_in_record(modality):
            raise InputError(
                f"{where_from}: {name} is {modality}; {type(_default(modality)).__name__}() gives"
                " it as it is"
            )
    return dict(parts)


def _default(kind: str) -> Spec:
    """How a part is read for who says no more than its name."""
    if kind in names_of_modalities():
        return modality_of(kind).spec()
    return JsonSpec() if kind == "json" else BytesSpec()


def _order(
    index: Index, seed: int, shuffle: bool, blocks: Blocks | None, weights: Sequence[float] | None
) -> Order:
    """The order of the chosen records: of all sets as one, or of each by itself and mixed."""
    groups = [np.concatenate(index.chosen)] if weights is None else index.chosen
    orders: list[Order] = []
    for number, rows in enumerate(groups):
        name = f"order{number}" if number else "order"
        if blocks is not None:
            starts = _block_starts(index, rows, blocks.block_bytes)
            orders.append(
                Chosen(
                    BlockShuffled(
                        starts, seed, max(1, blocks.window_bytes // blocks.block_bytes), name
                    ),
                    rows,
                )
            )
        else:
            orders.append(
                Chosen(Shuffled(len(rows), seed, name) if shuffle else Sequential(len(rows)), rows)
            )
    return orders[0] if weights is None else mixed(orders, weights, seed)


def _block_starts(index: Index, rows: np.ndarray, block_bytes: int) -> np.ndarray:
    """Where in ``rows`` each block begins: neighbours whose media begin in the same ``block_bytes``
    of the same tar; the end is the last.
    """
    blocks = np.zeros(len(rows), np.int64)
    for spans in index.spans.values():
        blocks = np.maximum(blocks, spans[rows, 0] // block_bytes)
    tars: np.ndarray = index.tar[rows].astype(np.int64)
    # a record without media stays in the block before it
    blocks = np.maximum.accumulate(tars * (blocks.max(initial=0) + 1) + blocks)
    return np.concatenate([[0], np.flatnonzero(np.diff(blocks)) + 1, [len(rows)]])


def _bucketed(
    index: Index, specs: Mapping[str, Spec], buckets: Mapping[str, Sequence[float]]
) -> tuple[np.ndarray, list[dict[str, Spec]]]:
    """The class of length of every record, and the specs of each class."""
    if len(buckets) != 1:
        raise InputError(f"buckets: wanted one part, found {', '.join(buckets) or 'none'}")
    name, bounds = next(iter(buckets.items()))
    spec = specs.get(name)
    if spec is None:
        raise InputError(f"buckets: no part is called {name!r}{nearest(str(name), specs)}")
    if isinstance(bounds, str) or not hasattr(bounds, "__iter__"):
        raise InputError(f"buckets: {name}: wanted a list of lengths above 0, found {bounds!r}")
    limits = np.array(
        sorted(checks.above_zero(f"buckets: {name}", bound) for bound in bounds), float
    )
    if not len(limits):
        raise InputError(f"buckets: {name}: wanted a list of lengths above 0, found an empty one")
    lengths = spec.lengths(index, name)
    # 1e-6: a length that is above its bound by rounding alone still fits
    classes = np.minimum(np.searchsorted(limits, lengths - 1e-6), len(limits) - 1)
    return classes, [{**specs, name: spec.cut_to(limit)} for limit in limits.tolist()]
