"""Ingest: each source read once, into work tables of some thousand rows, and read again only when
its files or options change.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.account import Count
from ..schemas.columns import digests_of
from ..schemas.disk import read_table, stamp_of
from ..schemas.errors import InputError
from ..schemas.fingerprint import fingerprint, hash_file
from ..schemas.layout import WorkFolder
from ..schemas.manifest import written_only
from ..stages.base import Source
from .engine import Engine
from .plan import Plan, identity
from .reading import Ingestion, read_sources

INGEST_VERSION = 7
ROWS_PER_PARTITION = 2048


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a source gave: its partitions in order, its count, and the note that says so."""

    note: Path
    partitions: list[Path]
    count: Count


def ingest(
    plan: Plan, work: WorkFolder, engine: Engine, advance: Callable[[int, int], None]
) -> list[Ingested]:
    """Read every source that has changed; what each of them gave. ``advance(done, total)`` counts
    sources.
    """
    folder = work.ingested
    stems = {
        name: ingest_stem(source, name, plan.root, identity(source, plan), work.root.parent)
        for name, source in plan.sources.items()
    }
    ingestions = [
        Ingestion(source, name, plan.root, folder, stems[name], ROWS_PER_PARTITION)
        for name, source in plan.sources.items()
        if read_ingested(folder, stems[name], name) is None
    ]
    done = len(stems) - len(ingestions)
    advance(done, len(stems))
    for _ in read_sources(ingestions, engine):
        done += 1
        advance(done, len(stems))
    sources = []
    for name, stem in stems.items():
        ingested = read_ingested(folder, stem, name)
        if ingested is None:
            raise InputError(
                f"{folder}: the partitions of source {name} have gone while the run was at work;"
                " run it again"
            )
        if not ingested.count.read:
            ingested.count.notes["nothing at all was read; check its path"] = 1
        sources.append(ingested)
    _note_like_groups(sources)
    partitions = [path for ingested in sources for path in ingested.partitions]
    if not partitions:
        raise InputError(
            f"{', '.join(stems)}: the sources are empty; check 'path' and 'data' in the recipe"
        )
    if ingestions:
        _check_keys(partitions)
    return sources


def ingest_stem(source: Source, name: str, root: Path, identity: str, out: Path) -> str:
    """The file stem of a source's partitions: its name and a fingerprint of its options and of the
    files it reads, but for what lies in ``out``.
    """
    seen = [(path, _content(root / path, root, out)) for path in source.paths()]
    return f"{name}-{fingerprint(INGEST_VERSION, identity, name, seen)}"


def _content(path: Path, root: Path, out: Path) -> object:
    """A table by the hash of its bytes; a tar by size and time, and a folder by name, size and time
    of all files in it.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{path}: lies outside of the data root {root}; set 'data' to a folder that holds all"
            " of it"
        )
    if path.is_file():
        # a tar may be as large as a folder of media, which nobody hashes to see whether it changed
        return stamp_of(path) if path.suffix.lower() == ".tar" else hash_file(path)
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such file or folder; check 'data', 'base' and the paths of the"
            " source"
        )
    files: list[tuple[str, list[int] | None]] = []
    # the output may lie inside of the data, and changes with every run
    stack, seen = [str(path)], {os.path.realpath(path), os.path.realpath(out)}
    while stack:
        folder = stack.pop()
        for entry in os.scandir(folder):
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                files.append((os.path.relpath(entry.path, root), stamp_of(entry.path)))
            # a link to a folder may lead in a circle
            elif (real := os.path.realpath(entry.path)) not in seen:
                seen.add(real)
                stack.append(entry.path)
    # a name that is not UTF-8 comes with lone surrogates, and those cannot be fingerprinted
    return sorted(
        (os.fsencode(name).decode("utf-8", "backslashreplace"), stamp) for name, stamp in files
    )


def read_ingested(folder: Path, stem: str, name: str) -> Ingested | None:
    """What an earlier run of the task left, if it finished."""
    path = folder / f"{stem}.json"
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except ValueError:
        return None
    partitions = [folder / f"{stem}-{number:05d}.arrow" for number in range(value["partitions"])]
    if not all(partition.is_file() for partition in partitions):
        return None
    return Ingested(path, partitions, Count.from_dict(name, value["count"]))


def _note_like_groups(sources: Sequence[Ingested]) -> None:
    """Tell where groups of two sources have the same names: the same image under two splits would
    be in both.
    """
    if len(sources) < 2:
        return
    names: dict[str, set[str]] = {}
    for ingested in sources:
        count = ingested.count
        names[count.name] = set()
        for path in ingested.partitions:
            table = read_table(path).select(["key", "group"])
            # a record without a group is called like its key
            grouped = table.filter(pc.not_equal(table["key"], table["group"]))
            prefix = f"{count.name}-"
            names[count.name].update(
                group.removeprefix(prefix)
                for group in grouped["group"].unique().to_pylist()
                if group.startswith(prefix)
            )
    for count, other in itertools.combinations([ingested.count for ingested in sources], 2):
        alike = len(names[count.name] & names[other.name])
        if alike:
            other.notes[
                f"groups that are called like groups of {count.name}, and are others; give both"
                " sources one group_kind if they are the same"
            ] = alike


def _check_keys(partitions: Sequence[Path]) -> None:
    """InputError where two written records have one key: a source of somebody's own may give it."""
    halves = np.concatenate([digests_of(_keys([path]))[:, 0] for path in partitions])
    halves.sort()
    if (halves[1:] == halves[:-1]).any():
        # rarely two keys of one digest, so that they themselves are looked at
        counts = pc.value_counts(_keys(partitions))
        twice = counts.filter(pc.greater(counts.field("counts"), 1))
        if len(twice):
            key = twice[0]["values"].as_py()
            raise InputError(
                f"two records have the key {key!r}; a source has to give each record a key of its"
                " own (make_key)"
            )


def _keys(partitions: Sequence[Path]) -> pa.ChunkedArray:
    """The keys of the written records of some partitions."""
    tables = [written_only(read_table(path).select(["key", "fate"])) for path in partitions]
    return pa.concat_tables(tables)["key"]
