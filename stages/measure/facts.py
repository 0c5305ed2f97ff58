"""What was measured, laid onto records."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...schemas.disk import read_table
from ...schemas.fingerprint import canonical
from ...schemas.record import Part, Record
from ..modality import on_disk

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
            place, row = self._row_of(part)
            if row is None or part.uri is None:
                parts[name] = part
            elif (
                row["damage"]
                and row["damage"].partition(":")[0] == on_disk(part.modality).no_stream
            ):
                absent[name] = "absent"
            else:
                with_facts = replace(part, **{word: row[word] for word in _FACTS})
                parts[name] = on_disk(part.modality).facts_within(with_facts)
                measured = dict(row["signals"] or ())
                if measured and (part.start_s is not None or part.end_s is not None):
                    measured = on_disk(part.modality).signals_within(
                        parts[name], measured, self._tracks(place)
                    )
                signals |= {f"{name}.{word}": number for word, number in measured.items()}
        return replace(record, parts=parts, absent=absent, signals=signals)

    def tracks_of(self, part: Part) -> dict[str, np.ndarray]:
        """The tracks of the file of a part; empty where it was not measured."""
        place, row = self._row_of(part)
        return {} if row is None else self._tracks(place)

    def _row_of(self, part: Part) -> tuple[int, dict[str, Any] | None]:
        return self._rows.get(_medium_of(part), (0, None))

    def _tracks(self, place: int) -> dict[str, np.ndarray]:
        # spans of one file mostly come one after the other
        if self._last[0] != place:
            self._last = (place, _as_arrays(self._tracks_of[place]))
        return self._last[1]


class AllTracks:
    """The tracks of the media of many partitions, read from the memory maps of their measurements
    when asked for.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._columns: list[pa.ChunkedArray] = []

    @functools.cached_property
    def _places(self) -> dict[tuple[str, str | None, str], tuple[int, int]]:
        places: dict[tuple[str, str | None, str], tuple[int, int]] = {}
        for path in self._paths:
            table = read_table(path)
            names = (table[name].to_pylist() for name in ("modality", "uri", "reading"))
            for row, medium in enumerate(zip(*names, strict=True)):
                places.setdefault(medium, (len(self._columns), row))
            self._columns.append(table["tracks"])
        return places

    def of(self, part: Part) -> dict[str, np.ndarray]:
        """The tracks of the file of a part; empty where it was not measured."""
        place = self._places.get(_medium_of(part))
        return {} if place is None else _as_arrays(self._columns[place[0]][place[1]])


def _medium_of(part: Part) -> tuple[str, str | None, str]:
    """What a part is measured by: its modality, its file, and how that is read."""
    reading = next((canonical(dict(step.options)) for step in part.steps if step.op == "read"), "")
    return part.modality, part.uri, reading


def _as_arrays(tracks: pa.Scalar) -> dict[str, np.ndarray]:
    return {name: np.array(v, np.float32) for name, v in tracks.as_py() or ()}


def has_other_spans(record: Record, before: Record) -> bool:
    """Whether any part was cut since, so that its signals are those of another span."""
    # most stages hand on the same mapping, and nothing needs to be compared
    return record.parts is not before.parts and any(
        name in before.parts
        and (part.start_s, part.end_s) != (before.parts[name].start_s, before.parts[name].end_s)
        for name, part in record.parts.items()
    )
