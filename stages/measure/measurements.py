"""Measurements on disk: facts, signals and tracks of each medium, in Arrow files by what made them.

work/media/<units>/<media>.arrow      as the tasks left them; a note says which units, made by what
work/measured/<partition>.arrow       those of one partition's media, gathered beside it

A unit is what is made anew alone: a signal, a track, the facts, the likeness (see
:mod:`modalmill.stages.signal`). A medium has a row in each file that holds some of its units.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ...schemas.disk import read_note, read_table, write_table
from ...schemas.errors import DamageError, InputError
from ...schemas.fingerprint import fingerprint
from ..media.refusing import refusing
from ..modality import OnDisk, on_disk
from ..signal import FACTS, LIKENESS, WHOLE, identity_of, units_of
from .media import Medium

MEASURED_VERSION = 6

# in signals and tracks, names are those of what gave them and of the number: levels:power
MEASUREMENTS_SCHEMA = pa.schema(
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
        ("failed", pa.map_(pa.string(), pa.string())),
        ("likeness", pa.binary()),
    ]
)
# what a gathered row stands for
_UNITS = pa.field("units", pa.list_(pa.string()))


def units_wanted(
    kind: OnDisk, names: Iterable[str] | None, versions: Mapping[str, str]
) -> dict[str, str]:
    """What has to be known of the media of a modality for these signals, with ``LIKENESS`` among
    their names for what they are compared by; None for their facts alone. Unit -> what says that it
    was made the same way.
    """
    made_by: dict[str, list[object]] = {FACTS if names is None else WHOLE: []}
    if names is not None:
        made_by |= {own.unit: identity_of(own) for own in units_of(kind.name, names)}
        if LIKENESS in names:
            made_by[LIKENESS] = [kind.likeness_version]
    return {
        unit: fingerprint(MEASURED_VERSION, kind.name, kind.identity, unit, own, dict(versions))
        for unit, own in made_by.items()
    }


def measured_row(
    root: Path, medium: Medium, wanted: frozenset[str], check: Callable[[str], None]
) -> dict[str, Any]:
    """The row of a medium, to be written with others by ``write_measurements``. ``check`` is called
    before it is decoded, and raises DamageError where it is not to be touched.
    """
    item = f"{medium.modality}:{medium.uri}"
    row: dict[str, Any] = {**asdict(medium), "signals": [], "tracks": [], "failed": []}
    try:
        check(item)
        with refusing("decoder_failed", medium.uri):
            measured = on_disk(medium.modality).measured(root, medium.part(), wanted)
    except DamageError as error:
        return row | {"damage": str(error)}
    row |= measured
    if "found" in measured:
        found = row.pop("found")
        row["signals"] = sorted(_flat(found.signals))
        row["tracks"] = sorted(_flat(found.tracks), key=lambda each: each[0])
        row["failed"] = sorted(found.failed.items())
    if "likeness" in measured:
        row["likeness"] = measured["likeness"].tobytes()
    return row


def _flat(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for owner, values in found.items():
        for name, value in values.items():
            yield f"{owner}:{name}", value


def write_measurements(path: Path, rows: list[dict[str, Any]], units: Mapping[str, str]) -> None:
    """Write these rows as one file; ``units``: what they hold, and what made it."""
    table = pa.Table.from_pylist(rows, schema=MEASUREMENTS_SCHEMA)
    write_table(path, table, {"units": dict(units)})


class Measurements:
    """All measurements in a folder that hold something of what is wanted, by medium; what is heavy
    of them stays in the files.

    wanted: of each modality, the units and what makes them.
    """

    def __init__(self, folder: Path, wanted: Mapping[str, Mapping[str, str]]) -> None:
        self._wanted = wanted
        self._tables: list[pa.Table] = []
        # of each table, the units that are made as they are wanted
        self._good: list[frozenset[str]] = []
        self._places: dict[Medium, list[tuple[int, int]]] = {}
        self._damaged: dict[Medium, tuple[int, int]] = {}
        names = ["modality", "uri", "stamp", "reading"]
        for path, good in _files_with(folder, wanted):
            table, number = read_table(path), len(self._tables)
            self._tables.append(table)
            self._good.append(good)
            damaged = table["damage"].is_valid().to_pylist()
            for place, row in enumerate(table.select(names).to_pylist()):
                medium = Medium(**row)
                self._places.setdefault(medium, []).append((number, place))
                if damaged[place] and not good.isdisjoint((FACTS, WHOLE)):
                    self._damaged[medium] = (number, place)

    def lacking(self, medium: Medium) -> frozenset[str]:
        """The units that are not known of a medium; none where it is known to be damaged."""
        if medium in self._damaged:
            return frozenset()
        known = (self._good[number] for number, _ in self._places.get(medium, ()))
        return frozenset(self._wanted[medium.modality]).difference(*known)

    def gather(self, path: Path, media: Iterable[Medium]) -> None:
        """Write the measurements of a partition's media beside it; a medium has a row for each file
        that something of it lies in, which says for which units it stands.
        """
        places: dict[tuple[int, frozenset[str]], list[int]] = {}
        for medium in sorted(media):
            for number, place, units in self._rows_of(medium):
                places.setdefault((number, units), []).append(place)
        rows = [
            self._tables[number]
            .take(own)
            .drop_columns(["likeness"])
            .append_column(_UNITS, pa.array([sorted(units)] * len(own), _UNITS.type))
            for (number, units), own in places.items()
        ]
        schema = MEASUREMENTS_SCHEMA.remove(MEASUREMENTS_SCHEMA.get_field_index("likeness"))
        schema = schema.append(_UNITS)
        tables = (table.replace_schema_metadata(None) for table in rows)
        write_table(path, pa.concat_tables(tables) if rows else schema.empty_table())

    def _rows_of(self, medium: Medium) -> Iterator[tuple[int, int, frozenset[str]]]:
        """Where a medium is known from: table, row, and which of the wanted units it gives."""
        if self.lacking(medium):
            raise InputError(f"{medium.uri}: has changed while the run was at work; run it again")
        left = frozenset(self._wanted[medium.modality])
        if medium in self._damaged:
            yield *self._damaged[medium], left
            return
        for number, place in self._places[medium]:
            if units := self._good[number] & left:
                yield number, place, units
                left -= units


class Likenesses:
    """What measured media are compared by, by content hash and modality, read from the memory maps
    of the measurements when asked for; its shape is the modality's to say.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._columns: list[pa.ChunkedArray] = []

    @functools.cached_property
    def _places(self) -> dict[str, dict[str, tuple[int, int]]]:
        places: dict[str, dict[str, tuple[int, int]]] = {}
        for path in self._paths:
            table = read_table(path)
            has = pa.compute.is_valid(table["likeness"]).to_pylist()
            kinds = table["modality"].to_pylist()
            for row, content in enumerate(table["hash"].to_pylist()):
                if has[row]:
                    own = places.setdefault(content, {})
                    own.setdefault(kinds[row], (len(self._columns), row))
            self._columns.append(table["likeness"])
        return places

    def __call__(self, content: str, modality: str = "", /) -> np.ndarray | None:
        places = self._places.get(content, {})
        kind = modality or next(iter(places), "")
        if kind not in places:
            return None
        column, row = places[kind]
        return on_disk(kind).likeness(self._columns[column][row].as_py())


def likenesses_in(folder: Path, wanted: Mapping[str, Mapping[str, str]]) -> Likenesses:
    """What the media measured in a folder are compared by, made as it is wanted."""
    return Likenesses(path for path, good in _files_with(folder, wanted) if LIKENESS in good)


def _files_with(
    folder: Path, wanted: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[Path, frozenset[str]]]:
    """The files that hold units made as they are wanted, and which; of each file all media are of
    one modality, for which what made a unit stands.
    """
    made_by = {own for units in wanted.values() for own in units.values()}
    for path in sorted(folder.glob("*/*.arrow")):
        units = read_note(path).get("units", {})
        if good := frozenset(unit for unit, own in units.items() if own in made_by):
            yield path, good
