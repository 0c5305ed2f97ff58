"""Putting pieces together into tars, and a set of tars in the place of the one before.

shards/train-000000.tar, .arrow    a tar and its index
shards/shards.json                 the manifest of the set, written last
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute
import xxhash

from ...schemas.account import Count
from ...schemas.disk import replacing, write_bytes, write_table
from ...schemas.fingerprint import fingerprint, hash_bytes
from ...schemas.index import INDEX_SCHEMA, MEMBER, SET_FILE, Shard, ShardSet
from ...schemas.rejects import FaultRow
from .card import CARD_FILE, card_text
from .pieces import Holdings, PieceNote, WrittenPiece
from .plan import Piece
from .tar import END

_COPY_BYTES = 4 << 20


@dataclass(slots=True)
class Sharded:
    """A finished set: its manifest, the count for the account, and the rows of the records that
    could not be written.
    """

    shards: ShardSet
    count: Count
    faults: list[FaultRow] = field(default_factory=list)


class Assembly:
    """Puts pieces together into tars aside, in a thread of its own while workers write the next;
    then lets them take the places of the old ones.
    """

    def __init__(self, building: Path) -> None:
        self._building = building
        # one thread alone: tars, counts and faults come in planned order
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="modalmill-assembly")
        self._waiting: list[Future[None]] = []
        self._shards: list[Shard] = []
        self._count = Count("shard")
        self._faults: list[FaultRow] = []
        self._contents = _Contents()
        building.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Assembly:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def add(self, name: str, pieces: Sequence[Piece], written: Sequence[WrittenPiece]) -> None:
        """Build one tar and its index, after those added before; an error of theirs ends the work
        here and not at the end.
        """
        for future in self._waiting:
            if future.done():
                future.result()
        self._waiting.append(self._thread.submit(self._build, name, pieces, written))

    def _build(self, name: str, pieces: Sequence[Piece], written: Sequence[WrittenPiece]) -> None:
        hasher = xxhash.xxh3_128()
        tables, size, samples = [], 0, 0
        split = pieces[0].split
        with replacing(self._building / f"{name}.tar") as aside, open(aside, "wb") as out:
            for piece in written:
                with open(piece.path, "rb") as source:
                    _copy(source, piece.offset, piece.length, out, hasher)
                tables.append(_shifted(piece.rows(), size))
                note = PieceNote.read(piece.index)
                self._faults += note.faults
                self._count.notes.update(note.notes)
                self._contents.add(split, note.holds)
                samples += note.samples
                size += piece.length
            out.write(END)
            hasher.update(END)
        # concat keeps the note of the first piece, which is not true of the tar
        table = (
            pa.concat_tables(tables).combine_chunks().replace_schema_metadata(INDEX_SCHEMA.metadata)
        )
        index = self._building / f"{name}.arrow"
        write_table(index, table)
        self._count.kinds["samples"] += samples
        self._count.written += table.num_rows
        self._count.read += sum(piece.records for piece in pieces)
        self._shards.append(
            Shard(
                name,
                split,
                table.num_rows,
                samples,
                size + len(END),
                hasher.hexdigest(),
                hash_bytes(index.read_bytes()),
            )
        )

    def finish(self, name: str, records_xxh3: str, folder: Path, texts_in_json: bool) -> Sharded:
        """Wait for the tars and move them in, write ``shards.json`` last, and say what there is."""
        for future in self._waiting:
            future.result()
        count, shards, contents = self._count, self._shards, self._contents
        count.rejected = len(self._faults)
        count.reasons.update(Counter(fault["rule"] for fault in self._faults))
        count.kinds["shards"] = len(shards)
        for shard in shards:
            count.splits[shard.split] += shard.records
        for patterns in contents.presence.values():
            count.presence.update(patterns)
        result = ShardSet(
            name,
            fingerprint([(shard.name, shard.xxh3, shard.index_xxh3) for shard in shards]),
            records_xxh3,
            dict(sorted(contents.parts.items())),
            {split: dict(sorted(own.items())) for split, own in contents.presence.items()},
            dict(sorted(contents.targets.items())),
            tuple(shards),
        )
        card = card_text(result, contents.members, contents.fields, texts_in_json)
        _move_in(result, card, self._building, folder)
        return Sharded(result, count, self._faults)


@dataclass(slots=True)
class _Contents:
    """What the pieces of a set hold together; presence by split."""

    parts: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    presence: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, split: str, holds: Holdings) -> None:
        self.parts |= holds.parts
        self.targets |= holds.targets
        self.members |= holds.members
        for part, kinds in holds.fields.items():
            self.fields.setdefault(part, {}).update(kinds)
        self.presence.setdefault(split, Counter()).update(holds.presence)


def _move_in(shards: ShardSet, card: str, building: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # without it the folder is no set, so that no reader takes old and new tars for one
    (folder / SET_FILE).unlink(missing_ok=True)
    names = {f"{shard.name}{ending}" for shard in shards.shards for ending in (".tar", ".arrow")}
    for path in folder.iterdir():
        if path.suffix in (".tar", ".arrow") and path.name not in names:
            path.unlink()
    for name in sorted(names):
        os.replace(building / name, folder / name)
    write_bytes(folder / CARD_FILE, card.encode())
    write_bytes(folder / SET_FILE, shards.to_json().encode())


def _copy(
    source: BinaryIO, offset: int, length: int, out: BinaryIO, hasher: xxhash.xxh3_128
) -> None:
    source.seek(offset)
    while length > 0:
        data = source.read(min(length, _COPY_BYTES))
        if not data:
            raise OSError(f"a piece ended {length:,} bytes early")
        hasher.update(data)
        out.write(data)
        length -= len(data)


def _shifted(table: pa.Table, offset: int) -> pa.Table:
    """The index rows of a piece whose first byte lies at ``offset`` in the tar."""
    if not offset:
        return table
    for name in ("media", "others"):
        lists = table[name].combine_chunks()
        members = lists.values
        fields = [
            pa.compute.add(members.field(field.name), offset)
            if field.name == "offset"
            else members.field(field.name)
            for field in MEMBER
        ]
        moved = pa.ListArray.from_arrays(
            lists.offsets, pa.StructArray.from_arrays(fields, fields=list(MEMBER))
        )
        table = table.set_column(
            table.schema.get_field_index(name), table.schema.field(name), moved
        )
    return table
