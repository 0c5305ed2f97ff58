"""Shards that modalmill wrote, read back by their indexes: what was a record is one again."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa

from ...schemas.contents import Contents, Kind
from ...schemas.disk import read_table
from ...schemas.errors import DamageError, IntegrityError
from ...schemas.index import SET_FILE, IndexRow, Shard, ShardSet, checked_index, read_shard_set
from ...schemas.manifest import Row
from ...schemas.record import NO_SPLIT, Absence, Cue, Fault, Origin, Part, Record, make_key
from ..base import Beat, Noted, Read
from ..media.files import bytes_of
from ..media.inside import MemberPlace

_ROWS = 1024
_KINDS: dict[str, Kind] = {"text": "text", "number": "number", "list": "list"}


def own_shards(root: Path, path: str) -> str | None:
    """The folder with ``shards.json`` that a folder is or has, below the root; None where there is
    none.
    """
    for folder in (path, posixpath.join(path, "shards")):
        if (root / folder / SET_FILE).is_file():
            return folder
    return None


def contents_of(root: Path, folder: str) -> Contents:
    """What records of the shards hold."""
    told = read_shard_set(root / folder)
    return Contents(
        dict(told.parts),
        {name: _KINDS.get(kind) for name, kind in told.targets.items()},
        frozenset(told.splits()) - {NO_SPLIT},
    )


def read_own(
    root: Path, folder: str, name: str, group_kind: str, tally: Counter[str], beat: Beat
) -> Iterator[Read]:
    """The records of all tars of the set; one reject for a tar that is not as it was written."""
    told = read_shard_set(root / folder)
    has_signals = False
    for shard in told.shards:
        uri = posixpath.join(folder, f"{shard.name}.tar")
        try:
            beat(uri)
            table = _index(root, folder, uri, shard)
        except DamageError as error:
            yield _lost(name, uri, shard.records, Fault(error.rule, message=error.message))
            tally["tars"] += 1
            continue
        number = 0
        for batch in table.to_batches(max_chunksize=_ROWS):
            for row in batch.to_pylist():
                number += 1
                tally["records"] += 1
                has_signals = has_signals or bool(row["signals"])
                yield Row(_record(row, told, shard, uri, number, name, group_kind))
    if has_signals:
        yield Noted("measurements in the index are not read; they are made anew where asked for")


def _index(root: Path, folder: str, uri: str, shard: Shard) -> pa.Table:
    size = bytes_of(root, uri)
    if size != shard.bytes:
        raise DamageError(
            "tar_damaged",
            f"{uri}: has {size:,} bytes, and {SET_FILE} says {shard.bytes:,}; check with"
            f" 'modalmill verify {folder}'",
        )
    try:
        return read_table(checked_index(root / folder / f"{shard.name}.arrow", shard))
    except IntegrityError as error:
        raise DamageError("index_damaged", str(error)) from None


def _lost(name: str, uri: str, records: int, fault: Fault) -> Row:
    key = make_key(name, uri)
    fault = Fault(fault.rule, records, None, f"{fault.message} ({records:,} records)")
    return Row(Record(key, key, Origin(name, uri)), fault)


def _record(
    row: IndexRow, told: ShardSet, shard: Shard, uri: str, number: int, name: str, group_kind: str
) -> Record:
    parts: dict[str, Part] = {}
    for text in row["texts"]:
        cues = tuple(Cue(**cue) for cue in text["cues"] or ())
        parts[text["part"]] = Part(told.parts[text["part"]], text=text["text"], cues=cues)
    for member in row["media"]:
        place = MemberPlace(uri, member["offset"], member["size"]).uri(member["name"])
        parts[member["part"]] = Part(member["modality"], uri=place, bytes=member["size"])
    key = make_key(name, row["key"])
    is_grouped = row["group"] != row["key"]
    return Record(
        key,
        make_key(group_kind or name, row["group"]) if is_grouped else key,
        Origin(name, uri, number, row["key"]),
        parts,
        json.loads(row["targets"]),
        None if shard.split == NO_SPLIT else shard.split,
        {part: cast("Absence", why) for part, why in row["absent"]},
    )
