"""What may be said when a stream is opened, checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch

from ...schemas import checks
from ...schemas.errors import InputError
from ..spec import Spec
from ..tar_names import KeyRule
from .shards.chunk_cache import CHUNK_BYTES
from .workers.crews import Backend
from .workers.filling import OnDamage
from .workers.reading import Verify

Shards: TypeAlias = "str | Path | Sequence[str | Path]"
_LEAST_BUDGET = 10


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """The arguments of :func:`open_stream`, where each is explained; InputError for what cannot be
    meant.

    What depends on the data (whether there is such a split, such a part) is checked where they are
    looked at.
    """

    shards: Shards
    split: str | None = None
    batch_size: int = 64
    seed: int = 0
    parts: Mapping[str, Spec] | Sequence[str] | None = None
    shuffle: bool | Blocks = True
    drop_last: bool | None = None
    augment: Sequence[str | Mapping[str, object]] = ()
    where: str | None = None
    take: int | None = None
    repeat: int = 1
    weights: Sequence[float] | None = None
    balance: str | None = None
    buckets: Mapping[str, Sequence[float]] | None = None
    workers: int | None = None
    backend: Backend = "threads"
    prefetch: int = 2
    rank: int | None = None
    world: int | None = None
    on_damage: OnDamage = "raise"
    damage_budget: int | None = None
    verify: Verify = "first"
    pin: bool | None = None
    keys: KeyRule = "auto"
    cache: str | Path | None = None
    cache_bytes: int = 16 << 30
    read_ahead_bytes: int = 64 << 20
    storage_options: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_words()
        self._check_order()
        self._check_shards()
        self._check_parts()
        if isinstance(self.augment, (str, Mapping)) or not isinstance(self.augment, Sequence):
            raise InputError(
                "augment: wanted a list of augmenting stages, as ['augment.noise'], found"
                f" {self.augment!r}"
            )

    @property
    def names(self) -> list[str | Path]:
        """The sets of shards by the names that were given, one or several."""
        if isinstance(self.shards, (str, Path)):
            return [self.shards]
        return list(self.shards) if isinstance(self.shards, (list, tuple)) else []

    @property
    def told_names(self) -> str:
        """The same, for messages."""
        return ", ".join(str(name) for name in self.names)

    @property
    def worker_count(self) -> int:
        """How many decode: as many as was said, or as the cores this process may use."""
        if self.workers is not None:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    @property
    def is_pinned(self) -> bool:
        """Whether buffers are page-locked: as was said, or where a GPU is at hand."""
        return torch.cuda.is_available() if self.pin is None else self.pin

    def drops_last(self, count: int) -> bool:
        """Whether the last batch of ``count`` records is left out where it is not full: as was
        said, or when shuffling.
        """
        if self.drop_last is not None:
            return self.drop_last
        # of a set smaller than a batch nothing at all would be left; with buckets, of a class
        return bool(self.shuffle) and count >= self.batch_size and not self.buckets

    def most_damage(self, count: int) -> int:
        """How many media of an epoch of ``count`` records may be damaged: as was said, or a
        hundredth.
        """
        if self.damage_budget is not None:
            return self.damage_budget
        return max(_LEAST_BUDGET, count // 100)

    def _check_numbers(self) -> None:
        # as a plain int: the seed stands in a stream's state, which is JSON
        object.__setattr__(self, "seed", checks.whole("seed", self.seed))
        for name, least in (
            ("batch_size", 1),
            ("repeat", 1),
            ("prefetch", 0),
            ("workers", 0),
            ("take", 1),
            ("rank", 0),
            ("world", 1),
            ("damage_budget", 0),
            ("cache_bytes", 0),
            ("read_ahead_bytes", 0),
        ):
            if not self._is_open(name):
                checks.whole(name, getattr(self, name), least)

    def _check_words(self) -> None:
        checks.choice("backend", self.backend, Backend)
        checks.choice("on_damage", self.on_damage, OnDamage)
        checks.choice("verify", self.verify, Verify)
        checks.choice("keys", self.keys, KeyRule)
        for name in ("drop_last", "pin"):
            if not self._is_open(name):
                checks.flag(name, getattr(self, name))

    def _is_open(self, name: str) -> bool:
        """Whether an option that may be left to the stream was."""
        return getattr(self, name) is None and getattr(type(self), name) is None

    def _check_order(self) -> None:
        """What says which record stands where."""
        if self.buckets is not None and not isinstance(self.buckets, Mapping):
            raise InputError(
                "buckets: wanted a part with lengths, as {'voice': [2, 4, 8]}, found"
                f" {self.buckets!r}"
            )
        if self.where is not None and not (isinstance(self.where, str) and self.where.strip()):
            raise InputError(
                f'where: wanted a condition, as "image.sharpness > 50", found {self.where!r}'
            )
        if self.balance is not None:
            if not (isinstance(self.balance, str) and self.balance):
                raise InputError(f"balance: wanted a target, as 'label', found {self.balance!r}")
            if self.weights is not None or self.buckets:
                raise InputError("balance: cannot be together with weights or buckets")
        if not isinstance(self.shuffle, (bool, Blocks)):
            raise InputError(f"shuffle: wanted True, False or Blocks(...), found {self.shuffle!r}")

    def _check_shards(self) -> None:
        names = self.names
        if not names or not all(isinstance(name, (str, Path)) for name in names):
            raise InputError(
                "shards: wanted a folder, a tar, a pattern, a url or a list of them, found"
                f" {self.shards!r}"
            )
        # a share for each set, so these can be counted only once the sets are known to be some
        if self.weights is not None:
            shares = checks.shares("weights", self.weights, len(names))
            object.__setattr__(self, "weights", shares)

    def _check_parts(self) -> None:
        if self.parts is None:
            return
        if isinstance(self.parts, str) or not isinstance(self.parts, (Mapping, Sequence)):
            raise InputError(
                "parts: wanted a mapping from names to specs, or a list of names, found"
                f" {self.parts!r}"
            )
        for name in self.parts:
            if not isinstance(name, str):
                raise InputError(f"parts: wanted names, found {name!r}")
        for name, spec in self.parts.items() if isinstance(self.parts, Mapping) else ():
            if not isinstance(spec, Spec):
                description = (
                    f"the class {spec.__name__}; write {spec.__name__}()"
                    if isinstance(spec, type)
                    else repr(spec)
                )
                raise InputError(
                    f"parts: {name}: wanted a spec, as ImageSpec(size=224), found {description}"
                )
