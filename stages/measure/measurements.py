"""Measurements on disk: facts, signals and tracks of each medium, in Arrow files by what made them.

work/media/<versions>/<media>.arrow   as the tasks left them
work/measured/<partition>.arrow       those of one partition's media, gathered beside it
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ...schemas.disk import read_table, write_table
from ...schemas.errors import DamageError, InputError
from ...schemas.fingerprint import fingerprint
from ..media.refusing import refusing
from ..modality import Depth, OnDisk, every_on_disk, on_disk
from .media import Medium

MEASURED_VERSION = 5

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
        ("likeness", pa.binary()),
    ]
)


def measured_row(
    root: Path, medium: Medium, depth: Depth, check: Callable[[str], None]
) -> dict[str, Any]:
    """The row of a medium, to be written with others by ``write_measurements``. ``check`` is called
    before it is decoded, and raises DamageError where it is not to be touched.
    """
    item = f"{medium.modality}:{medium.uri}"
    row: dict[str, Any] = {**asdict(medium), "signals": [], "tracks": []}
    try:
        check(item)
        with refusing("decoder_failed", medium.uri):
            measured = on_disk(medium.modality).measured(root, medium.part(), depth)
        row |= measured | {
            "signals": sorted(measured.get("signals", {}).items()),
            "tracks": sorted(measured.get("tracks", {}).items()),
            "likeness": measured["likeness"].tobytes() if "likeness" in measured else None,
        }
    except DamageError as error:
        row["damage"] = str(error)
    return row


def write_measurements(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write these rows as one file."""
    write_table(path, pa.Table.from_pylist(rows, schema=MEASUREMENTS_SCHEMA))


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
        schema = MEASUREMENTS_SCHEMA.remove(MEASUREMENTS_SCHEMA.get_field_index("likeness"))
        write_table(path, pa.concat_tables(rows) if rows else schema.empty_table())


class Likenesses:
    """What measured media are compared by, by content hash and modality, read from the memory maps
    of the measurements when asked for; its shape is the modality's to say.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._columns: list[pa.ChunkedArray] = []

    @functools.cached_property
    def _places(self) -> dict[str, dict[str, tuple[int, int]]]:
        places: dict[str, dict[str, tuple[int, int]]] = {}
        for path in _files_in(self._folders):
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


def _files_in(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.arrow"))]


def measurement_folders(
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
            / fingerprint(
                MEASURED_VERSION, kind.name, _identity(kind, each), int(each), dict(versions)
            )
            for each in (depth, *further)
        )
    return folders


def _identity(kind: OnDisk, depth: Depth) -> list[object]:
    """What says that a modality measures the same as before to a depth: what others are compared by
    has a version of its own, and the first has none.
    """
    compared = depth & Depth.LIKENESS and kind.likeness_version
    return [*kind.identity, kind.likeness_version] if compared else kind.identity
