"""The index beside each tar and the manifest beside all of them: how a sample is found without
parsing the tar.

``train-000000.tar`` has ``train-000000.arrow`` beside it: an Arrow IPC file with one row for each
*record* (a COCO image with five questions is one sample in the tar and five rows here), its text,
targets and measurements inline, its media by offset into the tar. ``shards.json`` lists the tars
with counts, checksums and one fingerprint of them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from .columns import as_array
from .contents import names_of
from .errors import InputError, IntegrityError
from .fingerprint import hash_file
from .json_value import JsonValue
from .layout import RunFolder

VERSION = 2
SET_FILE = "shards.json"
_NAME = re.compile(r"^[A-Za-z0-9_]{1,40}-\d{6}\Z")
_SPLIT = re.compile(r"^[A-Za-z0-9_]{1,40}\Z")
_LARGEST = 1 << 62

_CUES = pa.list_(
    pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())])
)
TEXT = pa.struct([("part", pa.string()), ("text", pa.string()), ("cues", _CUES)])
MEMBER = pa.struct(
    [
        ("part", pa.string()),
        ("modality", pa.string()),
        ("name", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("xxh3", pa.string()),
        ("media", pa.string()),
    ]
)
INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("group", pa.string()),
        ("sample", pa.string()),
        ("texts", pa.list_(TEXT)),
        ("media", pa.list_(MEMBER)),
        ("others", pa.list_(MEMBER)),
        ("targets", pa.string()),
        ("absent", pa.map_(pa.string(), pa.string())),
        ("signals", pa.map_(pa.string(), pa.float64())),
    ],
    metadata={"modalmill.index": str(VERSION)},
)


_COLUMNS = [(field.name, field.type) for field in INDEX_SCHEMA]


class IndexCue(TypedDict):
    """A stretch of a text in time."""

    start_s: float
    end_s: float
    text: str


class IndexText(TypedDict):
    """A part that stands in its row."""

    part: str
    text: str | None
    cues: list[IndexCue]


class IndexMember(TypedDict):
    """A member of the tar: bytes [offset, offset + size). xxh3: None in tars of others. media: what
    the ending says it is, None for what is no medium.
    """

    part: str
    modality: str
    name: str
    offset: int
    size: int
    xxh3: str | None
    media: str | None


class IndexRow(TypedDict):
    """A record in its tar, as ``INDEX_SCHEMA`` has it. targets: as JSON."""

    key: str
    group: str
    sample: str
    texts: list[IndexText]
    media: list[IndexMember]
    others: list[IndexMember]
    targets: str
    absent: list[tuple[str, str]]
    signals: list[tuple[str, float]]


def index_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows, each an ``IndexRow``, as a table."""
    columns = [as_array([row[name] for row in rows], kind) for name, kind in _COLUMNS]
    return pa.Table.from_arrays(columns, schema=INDEX_SCHEMA)


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar of a set: its file name, split, numbers of records and samples, size in bytes and
    checksums.
    """

    name: str
    split: str
    records: int
    samples: int
    bytes: int
    xxh3: str
    index_xxh3: str


@dataclass(frozen=True, slots=True)
class ShardSet:
    """The manifest of a set of shards, as it stands in ``shards.json``. ``records_xxh3``: checksum
    of the manifest of records it was made from.
    """

    name: str
    fingerprint: str
    records_xxh3: str
    parts: dict[str, str]
    presence: dict[str, dict[str, int]]
    targets: dict[str, str]
    shards: tuple[Shard, ...]

    def splits(self) -> dict[str, int]:
        """Number of records by split."""
        counts: dict[str, int] = {}
        for shard in self.shards:
            counts[shard.split] = counts.get(shard.split, 0) + shard.records
        return counts

    def records_of(self, split: str) -> int:
        """Number of records of a split, or of several (``fold1+fold2``); 0 where one is not
        there.
        """
        counts = self.splits()
        names = names_of(split)
        return sum(counts[name] for name in names) if set(names) <= set(counts) else 0

    def to_json(self) -> str:
        """The text of ``shards.json``."""
        value: dict[str, JsonValue] = {
            "modalmill": "shards",
            "version": VERSION,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "records_xxh3": self.records_xxh3,
            "records": sum(shard.records for shard in self.shards),
            "samples": sum(shard.samples for shard in self.shards),
            "splits": self.splits(),
            "parts": self.parts,
            "presence": self.presence,
            "targets": self.targets,
            "shards": [
                {name: getattr(shard, name) for name in Shard.__slots__} for shard in self.shards
            ],
        }
        return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def shards_within(folder: Path) -> Path:
    """The folder of shards in the output folder of a run; the folder itself where there is none."""
    shards = RunFolder(folder).shards
    return shards if (shards / SET_FILE).is_file() else folder


def read_shard_set(folder: Path) -> ShardSet:
    """The manifest of the shards in a folder (or in its ``shards`` folder)."""
    path = folder / SET_FILE
    if not path.is_file():
        path = shards_within(folder) / SET_FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value.get("version") != VERSION:
            raise ValueError(
                f"it has version {value.get('version')}, this modalmill reads {VERSION}"
            )
        shards = tuple(_checked(Shard(**shard)) for shard in value["shards"])
        for word in ("parts", "presence", "targets"):
            if not isinstance(value[word], dict):
                raise ValueError(f"{word!r} is no object")
        return ShardSet(
            value["name"],
            value["fingerprint"],
            value["records_xxh3"],
            value["parts"],
            value["presence"],
            value["targets"],
            shards,
        )
    except FileNotFoundError:
        raise InputError(
            f"{folder}: no {SET_FILE} here; wanted a folder that 'modalmill run' wrote shards into"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise InputError(
            f"{path}: not a manifest of shards ({error}); write it anew with 'modalmill run'"
        ) from error


def _checked(shard: Shard) -> Shard:
    """The shard, or ValueError where a name could lead elsewhere or a number is none."""
    if not isinstance(shard.name, str) or not _NAME.match(shard.name):
        raise ValueError(f"{str(shard.name)[:60]!r} is no name of a shard")
    if not isinstance(shard.split, str) or not _SPLIT.match(shard.split):
        raise ValueError(f"{str(shard.split)[:60]!r} is no name of a split")
    for word in ("records", "samples", "bytes"):
        number = getattr(shard, word)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LARGEST:
            raise ValueError(f"{shard.name}: {number!r} is no number of {word}")
    return shard


def checked_index(path: Path, shard: Shard) -> Path:
    """The index file of a shard, compared with its checksum before anything in it is believed;
    IntegrityError where it differs.
    """
    try:
        checksum = hash_file(path)
    except OSError as error:
        raise IntegrityError(
            f"{path}: the index cannot be read: {error.strerror}; run the recipe again to write"
            " it anew"
        ) from None
    if checksum != shard.index_xxh3:
        raise IntegrityError(
            f"{path}: the index differs from the checksum that {SET_FILE} has of it; run the"
            " recipe again to write it anew"
        )
    return path
