"""Opening a stream: what the user asks for, put together."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint, hash_bytes
from ..spec import Spec
from ..tar_names import KeyRule
from .choose_augmenter import choose_augmenter
from .choose_order import choose_batches, choose_blocks, mixed_sets
from .choose_specs import choose_classes, choose_specs
from .options import Blocks, Shards, StreamOptions
from .shards.chunk_cache import ChunkCache
from .shards.files import LocalStorage, Storage, cache_folder
from .shards.find_tars import Found, find_tars
from .shards.index import Index
from .shards.remote import RemoteStorage
from .stream import Stream
from .workers.crews import Backend
from .workers.filling import OnDamage
from .workers.reading import Verify


# Every option stands here by its name, and once more in StreamOptions: an editor, help() and
# inspect.signature() show names, types and defaults of a function's own parameters alone (an
# Unpack[TypedDict] has no defaults, and help() shows none of its names). A test holds the two
# lists equal.
def open_stream(
    shards: Shards,
    split: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    *,
    parts: Mapping[str, Spec] | Sequence[str] | None = None,
    shuffle: bool | Blocks = True,
    drop_last: bool | None = None,
    augment: Sequence[str | Mapping[str, object]] = (),
    where: str | None = None,
    take: int | None = None,
    repeat: int = 1,
    weights: Sequence[float] | None = None,
    balance: str | None = None,
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
    (``s3://...``), or a list of them. Tars that others wrote are indexed at the first time.
    split: ``train``, ``val``, ..., several as ``fold1+fold2``; all where it is None.
    batch_size: rows of a batch over all ranks together.
    seed: what the order and all random crops come from; the same one gives the same batches.

    parts: part name -> how it is decoded; with its modality's default where only names are given;
    every part where it is None.
    shuffle: False gives the order of the shards; True another permutation each epoch (of blocks,
    for a url); ``Blocks(...)`` as it says.
    drop_last: leave out the last batch if it is not full; True when shuffling if None.
    augment: augmenting stages as a recipe lists them, ``["augment.noise", {"augment.crop": {"area":
    [0.5, 1.0]}}]``. In one of ``copies + 1`` passes over the records a stage leaves a record as it
    is; in each of the others the record is the next of the copies that it would have written.
    where: keep the records for which this is true: ``"image.sharpness > 50 and 'audio' in parts"``,
    of measurements, targets, key, group, split and tar.
    take: keep the first so many records of each set.
    repeat: passes over the records in an epoch.
    weights: shares in which the listed sets are mixed; without them they are one.
    balance: a target of one class for each record: every class comes equally often, as if they were
    listed sets of equal weights, so that records of rare classes come several times in an epoch.
    buckets: ``{"voice": [2, 4, 8]}``: batches of records of one class of length, in seconds of a
    sound or series, tokens of a text or vectors of a cached sequence, each with its own shape; what
    is longer than the last is cut to it.

    workers: how many decode; the cores this process may use where it is None, 0 for none.
    backend: ``threads``, ``processes``, or ``auto``, which begins with threads and goes over to
    processes where those wait for the interpreter.
    prefetch: batches ready beyond one a worker.
    rank, world: this process among all; from ``torch.distributed`` or the environment (``RANK``,
    ``WORLD_SIZE``) where None.

    on_damage: ``raise``; or treat what cannot be decoded as ``absent``, ``skip`` its row (weight
    0), or ``replace`` it by another record; counted in ``damaged`` and logged.
    damage_budget: how many media may be damaged in an epoch before it is an error; a hundredth of
    the records if None.
    verify: compare checksums at the ``first`` reading, ``always`` or ``never``.
    pin: page-locked buffers; where a GPU is at hand if None.

    keys: which dot of a member's name ends the key in tars that others wrote: ``first_dot``,
    ``last_dot``, or ``auto``, the first unless that cannot be right.
    cache, cache_bytes: folder and size of the cache of urls (``MODALMILL_CACHE``, or
    ``~/.cache/modalmill``).
    read_ahead_bytes: how much is fetched ahead of the batches that are filled, for urls.
    storage_options: options of fsspec's file system (``{"endpoint_url": ...}``).

    InputError for options that cannot be meant, for shards that are not there, and where no record
    is left; IntegrityError for tars that are not what their index says.
    """
    options = StreamOptions(
        shards=shards,
        split=split,
        batch_size=batch_size,
        seed=seed,
        parts=parts,
        shuffle=shuffle,
        drop_last=drop_last,
        augment=augment,
        where=where,
        take=take,
        repeat=repeat,
        weights=weights,
        balance=balance,
        buckets=buckets,
        workers=workers,
        backend=backend,
        prefetch=prefetch,
        rank=rank,
        world=world,
        on_damage=on_damage,
        damage_budget=damage_budget,
        verify=verify,
        pin=pin,
        keys=keys,
        cache=cache,
        cache_bytes=cache_bytes,
        read_ahead_bytes=read_ahead_bytes,
        storage_options=storage_options,
    )
    chunks = _cache_of(options)
    found = _find_sets(options, chunks)
    index = _index_of(found, options)
    specs = choose_specs(index, options)
    classes = choose_classes(index, specs, options)
    blocks = choose_blocks(options, any(shard_set.is_remote for shard_set in found))
    sets = mixed_sets(index, options)
    batches = choose_batches(index, sets, classes.of_record, blocks, options)
    augmenter = choose_augmenter(index, specs, sets, options, batches.records)
    identity = _identity(index, classes.of_record, blocks, options)
    records = [own.records for own in sets]
    return Stream(index, records, classes.specs, batches, options, identity, chunks, augmenter)


def is_url(path: str | Path) -> bool:
    """Whether this is a url of another place (``file://`` is this one)."""
    return "://" in str(path) and not str(path).startswith("file://")


def _cache_of(options: StreamOptions) -> ChunkCache | None:
    """Where stretches of remote tars are kept; None where all tars are here."""
    if not any(is_url(name) for name in options.names):
        return None
    folder = Path(options.cache) if options.cache else cache_folder()
    return ChunkCache(folder, options.cache_bytes)


def _find_sets(options: StreamOptions, chunks: ChunkCache | None) -> list[Found]:
    """The tars of each set, with their indexes."""
    storage_of = functools.partial(_storage, chunks, options.storage_options or {})
    return [find_tars(name, options.keys, storage_of) for name in options.names]


def _storage(chunks: ChunkCache | None, options: Mapping[str, object], path: str) -> Storage:
    return (
        RemoteStorage(path, chunks, options)
        if chunks is not None and is_url(path)
        else LocalStorage()
    )


def _index_of(found: Sequence[Found], options: StreamOptions) -> Index:
    """The records of the sets; InputError where there are none."""
    index = Index(found, options.split, options.where, options.take)
    if not len(index):
        raise InputError(f"{options.told_names}: no samples in these tars")
    if not index.chosen_count:
        raise InputError(f"{options.told_names}: no record is left by where={options.where!r}")
    return index


def _identity(
    index: Index, classes: np.ndarray | None, blocks: Blocks | None, options: StreamOptions
) -> str:
    """A fingerprint of all that decides which record stands where: a state of one stream means
    something to another only where these are equal.

    Neither ranks nor workers are in it, nor how parts are decoded. The batch size decides with
    buckets alone.
    """
    return fingerprint(
        index.fingerprint,
        options.split,
        options.where,
        options.take,
        options.repeat,
        options.weights,
        repr(blocks or options.shuffle),
        dict(options.buckets or {}),
        options.batch_size if options.buckets else None,
        "" if classes is None else hash_bytes(classes.tobytes()),
        # nothing for none, so that states of before are those of now
        *([options.balance] if options.balance else []),
    )
