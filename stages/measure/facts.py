"""What was measured, laid onto records."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...schemas.disk import read_table
from ...schemas.fingerprint import canonical
from ...schemas.record import Part, Record
from ..modality import in_record, is_in_record, on_disk
from ..signal import FACTS, WHOLE, numbers_of, of_whole_files, quantities_of, signals_of

_FACTS = (
    "hash",
    "width",
    "height",
    "frames",
    "fps",
    "sample_rate_hz",
    "channels",
    "duration_s",
)


Rows = list[tuple[int, list[str]]]


class _Known:
    """What is known of one medium: its facts, its damage, the signals of its file, what failed, and
    the rows that its tracks lie in, each with its units.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.damage: str | None = None
        self.signals: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self.rows: Rows = []

    def add(self, place: int, row: dict[str, Any]) -> None:
        units = row["units"]
        self.rows.append((place, units))
        if not {FACTS, WHOLE}.isdisjoint(units):
            self.facts = {word: row[word] for word in _FACTS}
        self.damage = self.damage or row["damage"]
        self.signals |= {
            name: value
            for owner, name, value in _by_owner(row["signals"])
            if f"signal {owner}" in units
        }
        self.failed |= {unit: why for unit, why in row["failed"] if unit in units}


class Facts:
    """The measurements of one partition, to be laid onto its records; and what is measured of
    values that stand in them.

    asked: the signals that are wanted, of each modality. failed: how often one could not be
        computed, and why.
    """

    def __init__(self, path: Path | None, asked: Mapping[str, frozenset[str]]) -> None:
        self.failed: Counter[str] = Counter()
        self._known: dict[tuple[str, str | None, str], _Known] = {}
        if path is not None:
            table = read_table(path)
            self._tracks_in = table["tracks"]
            for place, row in enumerate(table.drop_columns(["tracks"]).to_pylist()):
                medium = (row["modality"], row["uri"], row["reading"])
                self._known.setdefault(medium, _Known()).add(place, row)
        self._of_values = {kind: own for kind, own in asked.items() if is_in_record(kind)}
        self._of_stretches = {
            kind: frozenset(name for name in own if name in known and known[name].tracks)
            for kind, own in asked.items()
            for known in (signals_of(kind),)
        }
        self._last: tuple[Rows, dict[str, np.ndarray]] = ([], {})

    def attach(self, record: Record) -> Record:
        """The record with facts of its media and signals of their spans and of its values; a part
        whose stream does not exist becomes absent.
        """
        signals = dict(record.signals)
        parts: dict[str, Part] = {}
        absent = dict(record.absent)
        for name, part in record.parts.items():
            known = self._known.get(_medium_of(part))
            if known is None or part.uri is None:
                parts[name] = part
            elif (
                known.damage and known.damage.partition(":")[0] == on_disk(part.modality).no_stream
            ):
                absent[name] = "absent"
            else:
                with_facts = replace(part, **known.facts, damage=known.damage)
                parts[name] = on_disk(part.modality).facts_within(with_facts)
                numbers = self._signals_of(name, parts[name], known)
                if _is_span(part):
                    # they may be there from before it was cut
                    for word in of_whole_files(part.modality):
                        signals.pop(f"{name}.{word}", None)
                signals |= {f"{name}.{word}": number for word, number in numbers.items()}
        return self.attach_values(replace(record, parts=parts, absent=absent, signals=signals))

    def attach_values(self, record: Record) -> Record:
        """The record with the signals of values that stand in it, as they are now."""
        signals = dict(record.signals)
        for name, part in record.parts.items():
            own = self._of_values.get(part.modality)
            if own and part.text is not None:
                for word in quantities_of(part.modality, own):
                    signals.pop(f"{name}.{word}", None)
                value, failed = in_record(part.modality).annotated(part.text), dict[str, str]()
                numbers = numbers_of(part.modality, value, own, failed)
                signals |= {f"{name}.{word}": number for word, number in numbers.items()}
                self._note(name, failed)
        return replace(record, signals=signals) if self._of_values else record

    @property
    def reads_values(self) -> bool:
        """Whether a changed value has other signals."""
        return bool(self._of_values)

    def tracks_of(self, part: Part) -> dict[str, np.ndarray]:
        """The tracks of the file of a part; empty where it was not measured, or runs at another
        speed than its file, whose tracks are not its own then.
        """
        known = self._known.get(_medium_of(part))
        return {} if known is None or part.pace != 1 else self._tracks(known)

    def _signals_of(self, name: str, part: Part, known: _Known) -> dict[str, float]:
        """The signals of a part: of its file, and of its span."""
        failed = dict(known.failed)
        signals = dict(known.signals)
        if _is_span(part):
            for word, unit in of_whole_files(part.modality).items():
                if signals.pop(word, None) is not None:
                    failed[unit] = "it is measured of whole files, and this is a span of one"
        wanted = self._of_stretches.get(part.modality)
        if wanted and not known.damage:
            stretch = on_disk(part.modality).stretch(part, self._tracks(known))
            if stretch is not None:
                signals |= numbers_of(part.modality, stretch, wanted, failed)
        self._note(name, failed)
        return signals

    def _note(self, part: str, failed: Mapping[str, str]) -> None:
        for unit, why in failed.items():
            self.failed[f"{part}: the {unit} could not be computed: {why}"] += 1

    def _tracks(self, known: _Known) -> dict[str, np.ndarray]:
        # spans of one file mostly come one after the other
        if self._last[0] is not known.rows:
            arrays: dict[str, np.ndarray] = {}
            for place, units in known.rows:
                arrays |= _as_arrays(self._tracks_in[place], units)
            self._last = (known.rows, arrays)
        return self._last[1]


class AllTracks:
    """The tracks of the media of many partitions, read from the memory maps of their measurements
    when asked for.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._columns: list[pa.ChunkedArray] = []

    @functools.cached_property
    def _places(self) -> dict[tuple[str, str | None, str], tuple[int, Rows]]:
        places: dict[tuple[str, str | None, str], tuple[int, Rows]] = {}
        for number, path in enumerate(self._paths):
            table = read_table(path)
            names = (table[name].to_pylist() for name in ("modality", "uri", "reading"))
            units = table["units"].to_pylist()
            for row, medium in enumerate(zip(*names, strict=True)):
                column, rows = places.setdefault(medium, (number, []))
                # a medium of several partitions is the same in all
                if column == number:
                    rows.append((row, units[row]))
            self._columns.append(table["tracks"])
        return places

    def of(self, part: Part) -> dict[str, np.ndarray]:
        """The tracks of the file of a part; empty as those of ``Facts.tracks_of`` are."""
        if part.pace != 1:
            return {}
        column, rows = self._places.get(_medium_of(part), (0, []))
        arrays: dict[str, np.ndarray] = {}
        for place, units in rows:
            arrays |= _as_arrays(self._columns[column][place], units)
        return arrays


def _medium_of(part: Part) -> tuple[str, str | None, str]:
    """What a part is measured by: its modality, its file, and how that is read."""
    reading = next((canonical(dict(step.options)) for step in part.steps if step.op == "read"), "")
    return part.modality, part.uri, reading


def _by_owner(values: Iterable[tuple[str, Any]] | None) -> Iterator[tuple[str, str, Any]]:
    """What gave each value, its name, and the value."""
    for whole, value in values or ():
        owner, _, name = whole.partition(":")
        yield owner, name, value


def _as_arrays(tracks: pa.Scalar, units: Container[str]) -> dict[str, np.ndarray]:
    """The tracks of one row that count, as views of its memory map."""
    if not tracks.is_valid:
        return {}
    names, arrays = tracks.values.field(0).to_pylist(), tracks.values.field(1)
    return {
        name: arrays[place].values.to_numpy()
        for place, (owner, name, _) in enumerate(_by_owner((each, None) for each in names))
        if f"track {owner}" in units
    }


def _is_span(part: Part) -> bool:
    return part.start_s is not None or part.end_s is not None


def has_other_spans(record: Record, before: Record) -> bool:
    """Whether any part was cut since, so that its signals are those of another span."""
    # most stages hand on the same mapping, and nothing needs to be compared
    return record.parts is not before.parts and any(
        name in before.parts
        and (part.start_s, part.end_s) != (before.parts[name].start_s, before.parts[name].end_s)
        for name, part in record.parts.items()
    )


def has_other_texts(record: Record, before: Record) -> bool:
    """Whether any value that stands in the record was changed since."""
    return record.parts is not before.parts and any(
        name not in before.parts or part.text != before.parts[name].text
        for name, part in record.parts.items()
    )
