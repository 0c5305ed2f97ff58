"""Ingest: each source read once, into work tables of some thousand rows, and read again only when
its files or options change.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..schemas.account import Count, presence_pattern
from ..schemas.disk import stamp_of, write_bytes, write_table
from ..schemas.errors import InputError
from ..schemas.fingerprint import fingerprint, hash_file
from ..schemas.manifest import Row, rows_to_table
from ..stages.base import Beat, Merged, Noted, Source
from .task import refuse_skipped

INGEST_VERSION = 3
ROWS_PER_PARTITION = 2048


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a source gave: its partitions in order and its count."""

    partitions: list[Path]
    count: Count


@dataclass(frozen=True, slots=True)
class IngestTask:
    """Reads one source into ``<folder>/<stem>-00000.arrow`` and so on; ``<stem>.json`` is written
    last and means that all are there.
    """

    source: Source
    name: str
    root: Path
    folder: Path
    stem: str

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        count = Count(self.name)
        tally: Counter[str] = Counter()
        rows: list[Row] = []
        partitions = 0

        def flush() -> None:
            nonlocal partitions
            write_table(self.folder / f"{self.stem}-{partitions:05d}.arrow", rows_to_table(rows))
            partitions += 1
            rows.clear()

        def at(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        for item in self.source.read(self.root, self.name, tally, at):
            if isinstance(item, Merged):
                count.merged += item.count
                continue
            if isinstance(item, Noted):
                count.notes[item.what] += item.count
                continue
            if item.fault is None:
                count.written += 1
                count.presence[presence_pattern(item.record.parts)] += 1
                if item.record.split is not None:
                    count.splits[item.record.split] += 1
                count.unmatched.update(fault.rule for fault in item.unmatched)
            else:
                count.rejected += 1
                count.reasons[item.fault.rule] += 1
            item.stage = f"ingest:{self.name}"
            rows.append(item)
            if len(rows) >= ROWS_PER_PARTITION:
                flush()
        if rows:
            flush()
        count.read = sum(tally.values())
        count.kinds = tally
        write_bytes(
            self.folder / f"{self.stem}.json",
            json.dumps({"partitions": partitions, "count": count.to_dict()}).encode(),
        )
        return count.read


def ingest_stem(source: Source, name: str, root: Path, identity: str, out: Path) -> str:
    """The file stem of a source's partitions: its name and a fingerprint of its options and of the
    files it reads, but for what lies in ``out``.
    """
    seen = [(path, _content(root / path, root, out)) for path in source.paths()]
    return f"{name}-{fingerprint(INGEST_VERSION, identity, name, seen)}"


def _content(path: Path, root: Path, out: Path) -> object:
    """A table by the hash of its bytes; a folder by name, size and time of all files in it."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{path}: lies outside of the data root {root}; set 'data' to a folder that holds all"
            " of it"
        )
    if path.is_file():
        return hash_file(path)
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
    return Ingested(partitions, Count.from_dict(name, value["count"]))
