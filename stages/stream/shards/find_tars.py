"""From what a user names (a folder, a tar, a pattern, a list of them, here or behind a url) to tars
with their indexes.

Tars of ours bring their index. Others are indexed once: ``a.tar`` gets ``a.tar.arrow`` beside it,
or in a cache folder where nothing can be written beside it, and again when the tar has changed.
"""

from __future__ import annotations

import functools
import glob
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypedDict, cast

import pyarrow as pa
from braceexpand import braceexpand

from ....schemas.disk import write_table
from ....schemas.errors import InputError, IntegrityError, StorageError
from ....schemas.fingerprint import fingerprint
from ....schemas.index import SET_FILE, ShardSet, checked_index, read_shard_set
from ....schemas.record import NO_SPLIT
from ...tar_names import KeyRule
from .files import File, LocalStorage, Storage
from .foreign_tars import FOREIGN_VERSION, scan

StorageOf: TypeAlias = Callable[[str], Storage]
_REQUESTS = 16
_CONTENT = ["key", "texts", "media", "targets"]  # what makes a state of one copy fit another
_SPLITS = ("train", "val", "valid", "validation", "dev", "test")


@dataclass(frozen=True)
class Tar:
    """A tar with its index (memory-mapped), the split it belongs to, and how many records it is
    said to have.
    """

    file: File
    split: str
    index: Path
    identity: str
    records: int | None = None


@dataclass(frozen=True)
class Found:
    """What one name led to. ``parts``: part -> modality. ``fingerprint`` changes with the
    content.
    """

    name: str
    tars: tuple[Tar, ...]
    parts: dict[str, str]
    fingerprint: str
    is_remote: bool


def find_tars(shards: str | Path, keys: KeyRule, storage_of: StorageOf) -> Found:
    """The tars that ``shards`` names: a folder, a tar, a pattern (``*``, ``?``, ``[...]``,
    ``{000..099}``), or a url of any of these.
    """
    text = str(shards)
    storage = storage_of(text)
    text = text.removeprefix("file://")
    folder = _set_folder(storage, text)
    if folder is not None:
        shard_set = _read_set(storage, folder)
        own = functools.partial(_own, storage, folder, shard_set)
        with ThreadPoolExecutor(_REQUESTS) as pool:
            tars = list(pool.map(own, range(len(shard_set.shards))))
        return Found(
            text,
            tuple(tars),
            dict(shard_set.parts),
            shard_set.fingerprint,
            not isinstance(storage, LocalStorage),
        )
    paths = _paths(storage, text)
    sets = {
        above: _read_set(storage, above) if storage.exists(f"{above}/{SET_FILE}") else None
        for above in dict.fromkeys(map(_above, paths))
    }
    with ThreadPoolExecutor(_REQUESTS) as pool:
        opened = list(pool.map(lambda path: _one(storage, path, sets[_above(path)], keys), paths))
    parts: dict[str, str] = {}
    for path, (_, more) in zip(paths, opened, strict=True):
        _join(parts, more, path)
    content = fingerprint([tar.identity for tar, _ in opened])
    return Found(
        text, tuple(tar for tar, _ in opened), parts, content, not isinstance(storage, LocalStorage)
    )


def _above(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _one(
    storage: Storage, path: str, beside: ShardSet | None, keys: KeyRule
) -> tuple[Tar, dict[str, str]]:
    """A tar by its path, of the set of ours that lies beside it or by others; and its parts."""
    names = [shard.name for shard in beside.shards] if beside else []
    stem = path.rpartition("/")[2].removesuffix(".tar")
    if beside is not None and stem in names:
        return _own(storage, _above(path), beside, names.index(stem)), dict(beside.parts)
    return _foreign(storage, path, keys)


def join_parts(found: Sequence[Found]) -> dict[str, str]:
    """The parts of several sets together; InputError where they disagree on a part's modality."""
    parts: dict[str, str] = {}
    for shard_set in found:
        _join(parts, shard_set.parts, shard_set.name)
    return parts


def _join(parts: dict[str, str], more: dict[str, str], where: str) -> None:
    for name, modality in more.items():
        if parts.setdefault(name, modality) != modality:
            raise InputError(
                f"{where}: part {name!r} is {modality} here and {parts[name]} in another of these"
                " shards; open them apart"
            )


def _set_folder(storage: Storage, path: str) -> str | None:
    """The folder with ``shards.json``: this one or ``shards`` in it."""
    for folder in (path.rstrip("/"), f"{path.rstrip('/')}/shards"):
        if not path.endswith(".tar") and storage.exists(f"{folder}/{SET_FILE}"):
            return folder
    return None


def _read_set(storage: Storage, folder: str) -> ShardSet:
    return read_shard_set(storage.local(f"{folder}/{SET_FILE}").parent)


def _own(storage: Storage, folder: str, shard_set: ShardSet, number: int) -> Tar:
    shard = shard_set.shards[number]
    path = f"{folder}/{shard.name}.tar"
    if not storage.exists(path):
        raise IntegrityError(f"{path}: is not there; check with 'modalmill verify {folder}'")
    file = storage.open(path)
    if file.size != shard.bytes:
        raise IntegrityError(
            f"{path}: is not as long as shards.json says; check with 'modalmill verify {folder}'"
        )
    index = checked_index(storage.local(f"{folder}/{shard.name}.arrow"), shard)
    return Tar(file, shard.split, index, f"{shard.name} {shard.xxh3}", shard.records)


def _paths(storage: Storage, text: str) -> list[str]:
    """The tars that a folder or a pattern names."""
    if storage.is_folder(text):
        paths = storage.find(f"{glob.escape(text.rstrip('/'))}/*.tar")
        if not paths:
            raise InputError(
                f"{text}: no {SET_FILE} here and no tar; wanted a folder that 'modalmill run'"
                " wrote, or one with WebDataset tars"
            )
        return paths
    paths = []
    try:
        # a file may really have braces in its name
        patterns = list(braceexpand(text)) if "{" in text and not storage.exists(text) else [text]
    except ValueError:
        raise InputError(
            f"{text}: its braces do not match; wanted for example data/{{000..099}}.tar"
        ) from None
    for pattern in patterns:
        matches = (
            [pattern]
            if storage.exists(pattern)
            else storage.find(pattern)
            if re.search(r"[*?\[]", pattern)
            else []
        )
        if not matches:
            zipped = pattern.endswith((".tar.gz", ".tgz"))
            hint = (
                "; unpack it first: samples cannot be found inside of gzip data" if zipped else ""
            )
            raise InputError(f"{pattern}: there is no such file or folder{hint}")
        paths += matches
    return paths


class _Wanted(TypedDict):
    """What an index has to be of: this version of ours, the tar as it is, the rule of its keys."""

    foreign: int
    tar: str
    version: str
    keys: KeyRule


class _Note(_Wanted):
    """What stands with the index of a tar that others wrote."""

    parts: dict[str, str]
    interleaved: int
    content: str


def _foreign(storage: Storage, path: str, keys: KeyRule) -> tuple[Tar, dict[str, str]]:
    """A tar that others wrote, with its index, made now where there is none that fits."""
    file = storage.open(path)
    wanted: _Wanted = {
        "foreign": FOREIGN_VERSION,
        "tar": path.rpartition("/")[2],
        "version": file.version(),
        "keys": keys,
    }
    places = storage.index_places(path)
    for place in places:
        note = _note(place)
        if note is not None and {name: note.get(name) for name in wanted} == wanted:
            break
    else:
        scanned = scan(file, keys)
        content = fingerprint(
            [
                [str(column) for column in row.values()]
                for row in scanned.table.select(_CONTENT).to_pylist()
            ]
        )
        note = {
            **wanted,
            "parts": dict(scanned.parts),
            "interleaved": scanned.interleaved,
            "content": content,
        }
        place = _write(places, scanned.table, note)
    if note["interleaved"]:
        warnings.warn(
            f"{path}: {note['interleaved']:,} samples lie in pieces, with members of others"
            " between theirs; they are read whole here, but readers"
            " that go through the tar in order cut them apart",
            stacklevel=2,
        )
    # by whole words: contest.tar is no test split
    words = re.split(r"[^a-z]+", path.rpartition("/")[2].lower())
    split = next((word for word in words if word in _SPLITS), NO_SPLIT)
    return Tar(file, split, place, f"{wanted['tar']} {note['content']}"), note["parts"]


def _write(places: Sequence[Path], table: pa.Table, note: Mapping[str, object]) -> Path:
    for place in places:
        try:
            write_table(place, table, note)
            return place
        except (StorageError, OSError) as error:
            last = error
    raise InputError(
        f"{places[-1]}: the index of a tar can be written neither beside it nor here ({last});"
        " set MODALMILL_CACHE to a folder"
    ) from last


def _note(place: Path) -> _Note | None:
    """What an index file says of its tar; None where there is no whole file."""
    try:
        with pa.memory_map(str(place)) as source:
            metadata = pa.ipc.open_file(source).schema.metadata or {}
        return cast("_Note", dict(json.loads(metadata.get(b"note", b"{}"))))
    except (OSError, ValueError, pa.ArrowInvalid):
        return None
