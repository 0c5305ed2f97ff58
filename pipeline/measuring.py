"""Measuring: each medium decoded once to its end, facts and signals kept by file, apart from all
decisions.

A changed threshold therefore costs no decoding, and a new file costs its own. Measurements of
finished tasks lie in ``work/media``; the ones a partition of records needs are gathered beside it
in ``work/measured``.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ..schemas.disk import read_table, stamp_of, write_table
from ..schemas.errors import DamageError, InputError
from ..schemas.fingerprint import canonical, fingerprint
from ..schemas.record import Part, Record, Step
from ..stages.base import Beat
from ..stages.media.refusing import refusing
from ..stages.modality import Depth, every_on_disk, on_disk
from .task import refuse_skipped

MEASURED_VERSION = 5

SCHEMA = pa.schema(
    [
        ("modality", pa.string()),
        ("uri", pa.string()),
        ("stamp", pa.string()),
        ("reading", pa.string()),
        ("hash", pa.string()),
        ("damage", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("sample_rate_hz", pa.int32()),
        ("channels", pa.int32()),
        ("duration_s", pa.float64()),
        ("signals", pa.map_(pa.string(), pa.float64())),
        ("tracks", pa.map_(pa.string(), pa.list_(pa.float32()))),
        ("likeness", pa.binary()),
    ]
)
_FACTS = (
    "hash",
    "damage",
    "width",
    "height",
    "frames",
    "fps",
    "sample_rate_hz",
    "channels",
    "duration_s",
)


@dataclass(frozen=True, slots=True, order=True)
class Medium:
    """One medium to measure: its modality, its place below the root, the size and time that say
    whether it changed, and how it is read (JSON).
    """

    modality: str
    uri: str
    stamp: str
    reading: str = ""

    def part(self) -> Part:
        """The medium as a part that means all of it."""
        return Part(
            self.modality,
            uri=self.uri,
            steps=(Step("read", json.loads(self.reading)),) if self.reading else (),
        )


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """Measures some media into one Arrow file. ``depths``: how far those of a modality are looked
    into, where it is further than to their facts.
    """

    root: Path
    media: tuple[Medium, ...]
    depths: Mapping[str, Depth]
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        rows = []
        for medium in self.media:
            item = f"{medium.modality}:{medium.uri}"
            beat(item)
            row: dict[str, Any] = {**asdict(medium), "signals": [], "tracks": []}
            try:
                refuse_skipped(item, skip)
                with refusing("decoder_failed", medium.uri):
                    measured = on_disk(medium.modality).measured(
                        self.root,
                        medium.part(),
                        self.depths.get(medium.modality, Depth.FACTS),
                    )
                row |= measured | {
                    "signals": sorted(measured.get("signals", {}).items()),
                    "tracks": sorted(measured.get("tracks", {}).items()),
                    "likeness": measured["likeness"].tobytes() if "likeness" in measured else None,
                }
            except DamageError as error:
                row["damage"] = str(error)
            rows.append(row)
        write_table(self.path, pa.Table.from_pylist(rows, schema=SCHEMA))
        return len(rows)


def media_of(tables: Iterable[pa.Table], root: Path, measured: frozenset[str]) -> list[set[Medium]]:
    """For each table, the media of its records that are to be measured."""
    result = []
    stamps: dict[str, str] = {}
    for table in tables:
        media: set[Medium] = set()
        result.append(media)
        kinds = pa.compute.list_flatten(table["parts"]).combine_chunks().field("modality")
        # asked of the column first: making Python objects of all parts takes far longer
        if measured.isdisjoint(kinds.unique().to_pylist()):
            continue
        for parts in table["parts"].to_pylist():
            for part in parts:
                if part["uri"] is None or part["modality"] not in measured:
                    continue
                uri = part["uri"]
                # many records may name one file
                if uri not in stamps:
                    stamps[uri] = _stamp_text(root / uri)
                reading = next(
                    (step["options"] for step in part["steps"] or () if step["op"] == "read"), ""
                )
                media.add(Medium(part["modality"], uri, stamps[uri], reading))
    return result


def _stamp_text(path: Path) -> str:
    stamp = stamp_of(path)
    return "gone" if stamp is None else "-".join(map(str, stamp))


class Measurements:
    """All measurements kept in some folders, by medium; what is heavy of them stays in the
    files.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._tables = [read_table(path) for path in _files_in(folders)]
        names = ["modality", "uri", "stamp", "reading"]
        self._places = {
            Medium(**row): (number, place)
            for number, table in enumerate(self._tables)
            for place, row in enumerate(table.select(names).to_pylist())
        }

    def media(self) -> set[Medium]:
        """Those that are measured."""
        return set(self._places)

    def gather(self, path: Path, media: Iterable[Medium]) -> None:
        """Write the measurements of a partition's media beside it."""
        gone = min((medium.uri for medium in media if medium not in self._places), default="")
        if gone:
            raise InputError(f"{gone}: has changed while the run was at work; run it again")
        places = sorted(self._places[medium] for medium in media)
        rows = [
            self._tables[number].take([place for _, place in in_table]).drop_columns(["likeness"])
            for number, in_table in itertools.groupby(places, key=lambda place: place[0])
        ]
        schema = SCHEMA.remove(SCHEMA.get_field_index("likeness"))
        write_table(path, pa.concat_tables(rows) if rows else schema.empty_table())


class Likenesses:
    """What measured media are compared by, by content hash, read from the memory maps of the
    measurements when asked for; its shape is the modality's to say.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._columns: list[pa.ChunkedArray] = []

    @functools.cached_property
    def _places(self) -> dict[str, tuple[int, int, str]]:
        places: dict[str, tuple[int, int, str]] = {}
        for path in _files_in(self._folders):
            table = read_table(path)
            has = pa.compute.is_valid(table["likeness"]).to_pylist()
            kinds = table["modality"].to_pylist()
            for row, content in enumerate(table["hash"].to_pylist()):
                if has[row]:
                    places.setdefault(content, (len(self._columns), row, kinds[row]))
            self._columns.append(table["likeness"])
        return places

    def __call__(self, content: str) -> np.ndarray | None:
        place = self._places.get(content)
        if place is None:
            return None
        column, row, kind = place
        return on_disk(kind).likeness(self._columns[column][row].as_py())


def _files_in(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.arrow"))]


def measure_tasks(
    root: Path,
    media: Iterable[Medium],
    depths: Mapping[str, Depth],
    folders: Mapping[str, Sequence[Path]],
) -> list[MeasureTask]:
    """Tasks of some seconds each for the media not yet measured. ``folders``: by modality, the
    first is where their measurements go.
    """
    tasks = []
    by_modality: dict[str, list[Medium]] = {}
    # in order, so that the tasks of a stopped run are found again by their names
    for medium in sorted(media):
        by_modality.setdefault(medium.modality, []).append(medium)
    for modality, of_kind in by_modality.items():
        size, folder = on_disk(modality).media_per_task, folders[modality][0]
        for start in range(0, len(of_kind), size):
            chunk = tuple(of_kind[start : start + size])
            tasks.append(MeasureTask(root, chunk, depths, folder / f"{fingerprint(chunk)}.arrow"))
    return tasks


class Facts:
    """The measurements of one partition, to be laid onto its records."""

    def __init__(self, path: Path) -> None:
        table = read_table(path)
        self._tracks_of = table["tracks"]
        rows = table.drop_columns(["tracks"]).to_pylist()
        self._rows = {
            (row["modality"], row["uri"], row["reading"]): (place, row)
            for place, row in enumerate(rows)
        }
        self._last: tuple[int, dict[str, np.ndarray]] = (-1, {})

    def attach(self, record: Record) -> Record:
        """The record with facts of its media and signals of their spans; a part whose stream does
        not exist becomes absent.
        """
        signals = dict(record.signals)
        parts: dict[str, Part] = {}
        absent = dict(record.absent)
        for name, part in record.parts.items():
            reading = next(
                (canonical(dict(step.options)) for step in part.steps if step.op == "read"), ""
            )
            place, row = self._rows.get((part.modality, part.uri, reading), (0, None))
            if row is None or part.uri is None:
                parts[name] = part
            elif (
                row["damage"]
                and row["damage"].partition(":")[0] == on_disk(part.modality).no_stream
            ):
                absent[name] = "absent"
            else:
                parts[name] = replace(part, **{word: row[word] for word in _FACTS})
                measured = dict(row["signals"] or ())
                if measured and (part.start_s is not None or part.end_s is not None):
                    measured = on_disk(part.modality).signals_within(
                        parts[name], measured, self._tracks(place)
                    )
                signals |= {f"{name}.{word}": number for word, number in measured.items()}
        return replace(record, parts=parts, absent=absent, signals=signals)

    def _tracks(self, place: int) -> dict[str, np.ndarray]:
        # spans of one file mostly come one after the other
        if self._last[0] != place:
            tracks = self._tracks_of[place].as_py() or ()
            self._last = (place, {name: np.array(v, np.float32) for name, v in tracks})
        return self._last[1]


def has_other_spans(record: Record, before: Record) -> bool:
    """Whether any part was cut since, so that its signals are those of another span."""
    # most stages hand on the same mapping, and nothing needs to be compared
    return record.parts is not before.parts and any(
        name in before.parts
        and (part.start_s, part.end_s) != (before.parts[name].start_s, before.parts[name].end_s)
        for name, part in record.parts.items()
    )


def media_folders(
    folder: Path, depths: Mapping[str, Depth], versions: Mapping[str, str]
) -> dict[str, tuple[Path, ...]]:
    """For each modality, where its measurements lie: all made by the same versions, to its depth.
    Where signals are enough, those of a run that compared media as well are the same.
    """
    folders = {}
    for kind in every_on_disk():
        depth = depths.get(kind.name, Depth.FACTS)
        further = (Depth.LIKENESS,) if depth == Depth.SIGNALS else ()
        folders[kind.name] = tuple(
            folder
            / fingerprint(MEASURED_VERSION, kind.name, kind.identity, int(each), dict(versions))
            for each in (depth, *further)
        )
    return folders
