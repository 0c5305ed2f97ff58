"""Sources read into work tables: each by one task, but a large table by several, a range of it
each, with the work tables and the count of one.

What a row gives depends on the rows above it in one way: one of them may have its id. Ranges are
read as if none had; one in which ids of earlier ranges come again is read once more, and told
which. The last range comes after all others, for it ends with the files that no row named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import pyarrow.compute as pc

from ..schemas.account import Count, CountOnDisk, presence_pattern
from ..schemas.disk import read_table, write_bytes, write_table
from ..schemas.fingerprint import fingerprint
from ..schemas.manifest import Row, rows_to_table
from ..stages.base import Beat, Merged, Noted, Range, Ranged, Read, Seen, Source
from .engine import Engine
from .task import Task, refuse_skipped

# Smaller tables are not worth the finding of ranges. Whoever changes how much is in a range raises
# INGEST_VERSION: what a killed run left of one would be taken for another.
LARGE_BYTES = 32 << 20
PARTITIONS_PER_RANGE = 16


class NoteOnDisk(TypedDict):
    """What was read: of a source, all of it. partitions: how many work tables."""

    partitions: int
    count: CountOnDisk


class RangeNoteOnDisk(NoteOnDisk):
    """The same of a range, with what was seen in it, and a fingerprint of the ids of earlier ranges
    that it was told.
    """

    taken: str
    files: list[str]
    columns: list[str]
    rows: int
    notes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Ingestion:
    """A source that is read into ``<folder>/<stem>-00000.arrow`` and so on, ``rows`` rows in each;
    ``<stem>.json`` is written last and means that all are there.
    """

    source: Source
    name: str
    root: Path
    folder: Path
    stem: str
    rows: int

    @property
    def note(self) -> Path:
        """What says that all of the source is read."""
        return self.folder / f"{self.stem}.json"

    def partition(self, number: int) -> Path:
        """One of the work tables."""
        return self.folder / f"{self.stem}-{number:05d}.arrow"

    def is_large(self) -> bool:
        """Whether it is a table that several tasks may be worth."""
        source = self.source
        return (
            isinstance(source, Ranged)
            and (self.root / source.table_file()).stat().st_size >= LARGE_BYTES
        )

    def write(self, items: Iterable[Read], tally: Counter[str], first: int = 0) -> NoteOnDisk:
        """Write the rows among the items, from the partition ``first`` on, and count all of
        them. ``tally`` is what they were read from, once they are read.
        """
        count = Count(self.name)
        rows: list[Row] = []
        partitions = 0

        def flush() -> None:
            nonlocal partitions
            write_table(self.partition(first + partitions), rows_to_table(rows))
            partitions += 1
            rows.clear()

        for item in items:
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
            if item.note:
                count.notes[item.note] += 1
            item.stage = f"ingest:{self.name}"
            rows.append(item)
            if len(rows) >= self.rows:
                flush()
        if rows:
            flush()
        count.read = sum(tally.values())
        count.kinds = tally
        return {"partitions": partitions, "count": count.to_dict()}


@dataclass(frozen=True, slots=True)
class IngestTask:
    """Reads one source."""

    ingestion: Ingestion

    def run(self, beat: Beat, skip: Mapping[str, str]) -> None:
        ingestion = self.ingestion
        tally: Counter[str] = Counter()
        items = ingestion.source.read(ingestion.root, ingestion.name, tally, _refusing(beat, skip))
        _write_note(ingestion.note, ingestion.write(items, tally))


@dataclass(frozen=True, slots=True)
class RangesTask:
    """Finds the ranges of a large table, of a multiple of ``rows`` rows each."""

    ingestion: Ingestion
    rows: int

    def run(self, beat: Beat, skip: Mapping[str, str]) -> Sequence[Range]:
        ingestion = self.ingestion
        assert isinstance(ingestion.source, Ranged)
        return ingestion.source.ranges(ingestion.root, self.rows)


@dataclass(frozen=True, slots=True)
class RangeTask:
    """Reads one range of a table, but the last, into the partitions from ``first`` on. taken: ids
    that rows of earlier ranges have, those that are in this one.
    """

    ingestion: Ingestion
    part: Range
    first: int
    taken: frozenset[str] = frozenset()

    @property
    def note(self) -> Path:
        """What says that the range is read."""
        return self.ingestion.partition(self.first).with_suffix(".json")

    @property
    def count(self) -> int:
        """How many partitions the range is."""
        assert self.part.rows is not None
        return self.part.rows // self.ingestion.rows

    def partitions(self) -> list[Path]:
        """The work tables of the range."""
        return [self.ingestion.partition(self.first + number) for number in range(self.count)]

    def left(self) -> RangeNoteOnDisk | None:
        """What an earlier run of the task left, if it finished, whatever it was told."""
        try:
            note: RangeNoteOnDisk = json.loads(self.note.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return note if all(path.is_file() for path in self.partitions()) else None

    def is_done(self) -> bool:
        """Whether the range is read, and was told what this task is told."""
        left = self.left()
        return left is not None and left["taken"] == fingerprint(self.taken)

    def run(self, beat: Beat, skip: Mapping[str, str]) -> None:
        ingestion, seen = self.ingestion, Seen(ids=set(self.taken))
        tally: Counter[str] = Counter()
        written = ingestion.write(
            _range(ingestion, self.part, tally, beat, skip, seen), tally, self.first
        )
        note: RangeNoteOnDisk = {
            **written,
            "taken": fingerprint(self.taken),
            "files": sorted(seen.files),
            "columns": sorted(seen.columns),
            "rows": seen.rows,
            "notes": dict(seen.notes),
        }
        _write_note(self.note, note)


@dataclass(frozen=True, slots=True)
class TakenTask:
    """Finds the ids of each range that rows of earlier ones have."""

    ranges: tuple[RangeTask, ...]

    def run(self, beat: Beat, skip: Mapping[str, str]) -> list[frozenset[str]]:
        above: set[str] = set()
        taken = []
        for part in self.ranges:
            own = _ids(part)
            taken.append(frozenset(own & above))
            above |= own
        return taken


@dataclass(frozen=True, slots=True)
class LastRangeTask:
    """Reads the last range of a table, when all others are read, and what comes after the rows."""

    ingestion: Ingestion
    part: Range
    before: tuple[RangeTask, ...]

    def run(self, beat: Beat, skip: Mapping[str, str]) -> None:
        ingestion, seen = self.ingestion, Seen()
        count = Count(ingestion.name)
        first = 0
        for earlier in self.before:
            note = earlier.left()
            if note is None:  # removed meanwhile; that nothing is written here tells so
                return
            seen.add(
                Seen(
                    _ids(earlier),
                    set(note["files"]),
                    set(note["columns"]),
                    note["rows"],
                    Counter(note["notes"]),
                )
            )
            count.add(Count.from_dict(ingestion.name, note["count"]))
            first += note["partitions"]
        tally: Counter[str] = Counter()
        written = ingestion.write(
            _range(ingestion, self.part, tally, beat, skip, seen), tally, first
        )
        count.add(Count.from_dict(ingestion.name, written["count"]))
        _write_note(
            ingestion.note,
            {"partitions": first + written["partitions"], "count": count.to_dict()},
        )


def read_sources(ingestions: Sequence[Ingestion], engine: Engine) -> Iterator[Ingestion]:
    """Read sources by the workers; each is given when all of it is read."""
    large = [ingestion.is_large() for ingestion in ingestions]
    first: list[Task] = [
        RangesTask(ingestion, ingestion.rows * PARTITIONS_PER_RANGE)
        if is_large
        else IngestTask(ingestion)
        for ingestion, is_large in zip(ingestions, large, strict=True)
    ]
    found: list[tuple[Ingestion, Sequence[Range]]] = []
    for place, result in engine.map(first):
        if large[place]:
            assert isinstance(result, Sequence)
            found.append((ingestions[place], result))
        else:
            yield ingestions[place]
    if not found:
        return
    read = _read_ranges([_but_the_last(ingestion, ranges) for ingestion, ranges in found], engine)
    last: list[Task] = [
        LastRangeTask(ingestion, ranges[-1], before) if ranges else IngestTask(ingestion)
        for (ingestion, ranges), before in zip(found, read, strict=True)
    ]
    for place, _ in engine.map(last):
        yield found[place][0]


def _but_the_last(ingestion: Ingestion, ranges: Sequence[Range]) -> tuple[RangeTask, ...]:
    tasks = []
    first = 0
    for part in ranges[:-1]:
        tasks.append(RangeTask(ingestion, part, first))
        first += tasks[-1].count
    return tuple(tasks)


def _read_ranges(
    tables: Sequence[tuple[RangeTask, ...]], engine: Engine
) -> list[tuple[RangeTask, ...]]:
    """The tasks of each table, done, as they are when they are told which ids are taken."""
    _carry_out([task for tasks in tables for task in tasks if task.left() is None], engine)
    told = list(tables)
    for place, taken in engine.map([TakenTask(tasks) for tasks in tables]):
        assert isinstance(taken, list)
        told[place] = tuple(
            replace(task, taken=ids) for task, ids in zip(tables[place], taken, strict=True)
        )
    _carry_out([task for tasks in told for task in tasks if not task.is_done()], engine)
    return told


def _carry_out(tasks: Sequence[Task], engine: Engine) -> None:
    for _ in engine.map(tasks):
        pass


def _range(
    ingestion: Ingestion,
    part: Range,
    tally: Counter[str],
    beat: Beat,
    skip: Mapping[str, str],
    seen: Seen,
) -> Iterator[Read]:
    assert isinstance(ingestion.source, Ranged)
    return ingestion.source.read_range(
        ingestion.root, ingestion.name, tally, _refusing(beat, skip), part, seen
    )


def _refusing(beat: Beat, skip: Mapping[str, str]) -> Beat:
    """The beat, which raises DamageError at items that are to be left out."""

    def at(item: str) -> None:
        beat(item)
        refuse_skipped(item, skip)

    return at


def _ids(task: RangeTask) -> set[str]:
    """The ids of the rows of a range that is read."""
    ids: set[str] = set()
    for path in task.partitions():
        origins = read_table(path)["origin"]
        ids.update(pc.drop_null(pc.struct_field(origins, "id")).to_pylist())
    return ids


def _write_note(path: Path, note: NoteOnDisk) -> None:
    write_bytes(path, json.dumps(note).encode())
