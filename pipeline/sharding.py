"""Shards: pieces written by the workers, put together into tars in planned order, reused where
nothing in them changed.

work/shard/<piece>.tar, .arrow     a finished piece, kept until its tar is whole
work/shard/ledger.json             which bytes of which tar came from which piece
shards/train-000000.tar, .arrow    a tar and its index
shards/shards.json                 the manifest of the set, written last
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.compute
import xxhash

from ..schemas.account import Count, presence_pattern
from ..schemas.disk import (
    read_note,
    read_table,
    replacing,
    stamp_of,
    write_bytes,
    write_table,
)
from ..schemas.fingerprint import fingerprint, hash_bytes, hash_file
from ..schemas.index import INDEX_SCHEMA, MEMBER, SET_FILE, IndexRow, Shard, ShardSet
from ..schemas.layout import RunFolder
from ..schemas.recipe import ShardOptions
from ..schemas.record import Fault, Record
from ..stages.base import Beat
from ..stages.modality import in_record, modality, names
from ..stages.shard.card import CARD_FILE, card_text
from ..stages.shard.plan import (
    Naming,
    Piece,
    Sample,
    group_samples,
    naming_of,
    plan_pieces,
    plan_shards,
)
from ..stages.shard.tar import END
from ..stages.shard.write import PieceWriter, annotation, signals
from .engine import Engine
from .ledger import FaultRow, Ledger, PlaceInTar, TarState, read_ledger
from .task import refuse_skipped

SHARD_VERSION = 6
_COPY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class PieceTask:
    """Writes one piece: ``<path>.tar`` and then ``<path>.arrow``, whose note lists the samples that
    could not be written.
    """

    piece: Piece
    root: Path
    options: ShardOptions
    naming: Naming
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        def check(item: str) -> None:
            beat(item)
            refuse_skipped(item, skip)

        faults: list[FaultRow] = []
        # Not synced: it is soon copied into a tar that is, and checked against its checksum if a
        # later run finds it.
        with (
            replacing(self.path.with_suffix(".tar"), synced=False) as aside,
            open(aside, "wb") as file,
        ):
            writer = PieceWriter(file, self.root, self.options, self.naming)
            for sample in self.piece.samples:
                fault = writer.add(sample, check)
                if fault is not None:
                    faults += [_fault_row(record, fault) for record in sample.records]
        table = pa.Table.from_pylist(writer.rows, schema=INDEX_SCHEMA)
        samples = len({row["sample"] for row in writer.rows})
        note = _PieceNote(
            faults=faults,
            bytes=writer.place,
            xxh3=writer.xxh3,
            samples=samples,
            holds=_holds(writer.rows, writer.parts),
            notes=dict(writer.notes),
        )
        write_table(self.path.with_suffix(".arrow"), table, asdict(note))
        return len(self.piece.samples)


@dataclass(frozen=True, slots=True)
class _Holds:
    """What the index rows of a piece hold: parts and members with their modality, targets and the
    fields of tables with their kind, which parts are present together.
    """

    parts: Mapping[str, str]
    targets: Mapping[str, str]
    members: Mapping[str, str]
    presence: Mapping[str, int]
    fields: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PieceNote:
    """What stands beside a piece's index rows: the samples that could not be written; length and
    checksum of its bytes; and what a person should know of it.
    """

    faults: Sequence[FaultRow]
    bytes: int
    xxh3: str
    samples: int
    holds: _Holds
    notes: Mapping[str, int]

    @classmethod
    def of(cls, index: Path) -> Self:
        """As the file has it."""
        note = read_note(index)
        return cls(**{**note, "holds": _Holds(**note["holds"])})


def _fault_row(record: Record, fault: Fault) -> FaultRow:
    origin = record.origin
    return {
        "key": record.key,
        "origin": {
            "source": origin.source,
            "file": origin.file,
            "row": origin.row,
            "id": origin.id,
        },
        "fate": fault.fate,
        "stage": "shard",
        "rule": fault.rule,
        "value": None,
        "threshold": fault.threshold,
        "message": fault.message,
    }


@dataclass(slots=True)
class Sharded:
    """The result: the set's manifest, the count for the account, and the rows of rejected
    records.
    """

    shards: ShardSet
    count: Count
    faults: list[FaultRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Slice:
    """Where a piece's bytes lie: a file of its own, or a stretch of a tar from an earlier run."""

    path: Path
    offset: int
    length: int
    index: Path


def write_shards(
    name: str,
    made_from: str,
    records_xxh3: str,
    records: Callable[[], Iterable[Record]],
    root: Path,
    out: Path,
    options: ShardOptions,
    seed: int,
    versions: Mapping[str, str],
    engine: Engine,
    advance: Callable[[int, int], None],
) -> Sharded:
    """Write the shards of these records below ``out``; ``advance(done, total)`` counts samples.
    ``made_from`` changes when the records do.

    ``records_xxh3``: checksum of their manifest, kept in ``shards.json``.
    """
    work, folder = RunFolder(out).work.pieces, RunFolder(out).shards
    kinds = {name: modality(name).identity for name in names()}
    config = fingerprint(SHARD_VERSION, dict(versions), options.model_dump(), kinds)
    ledger = read_ledger(work, folder)
    request = fingerprint(name, made_from, records_xxh3, config, seed)
    # neither records nor media have to be looked at
    if ledger.request == request:
        advance(ledger.samples, ledger.samples)
        return _finished(ledger, folder)
    samples = group_samples(records())
    naming = naming_of(samples)
    # one record can change how members are called in the whole set
    config = fingerprint(config, sorted(naming.plain), naming.texts_in_json)
    pieces = plan_pieces(samples, seed)
    planned = plan_shards(pieces, options)
    total = sum(len(piece.samples) for piece in pieces)
    work.mkdir(parents=True, exist_ok=True)
    slices = _slices(ledger, work, folder)
    # by id(): the pieces live as long as this call, and are long to hash
    stems: dict[int, str] = {}
    missing: list[Piece] = []
    done = 0

    def tasks() -> Iterator[PieceTask]:
        """A task for each piece that is not there; the workers begin with the first while the
        others are still looked up.
        """
        nonlocal done
        for piece in pieces:
            stem = stems[id(piece)] = _piece_identity(piece, root, config, naming)
            if stem in slices and _is_whole(slices[stem]):
                done += len(piece.samples)
                advance(done, total)
            else:
                slices.pop(stem, None)
                missing.append(piece)
                yield PieceTask(piece, root, options, naming, work / stem)

    waiting = deque(planned)
    advance(0, total)
    with _Assembly(RunFolder(out).work.building) as assembly:

        def assemble(whole: bool) -> None:
            """Hand over the tars whose pieces are all there; ``whole``: all of them."""
            # None, for a piece that was not looked up yet, is no key of slices
            while waiting and (
                whole or all(stems.get(id(piece)) in slices for piece in waiting[0][1])
            ):
                shard, its_pieces = waiting.popleft()
                assembly.add(shard, its_pieces, [slices[stems[id(piece)]] for piece in its_pieces])

        for place, _ in engine.map(tasks()):
            # tasks are numbered as they were given out, as the missing pieces are
            stem = stems[id(missing[place])]
            slices[stem] = _piece_slice(work, stem)
            done += len(missing[place].samples)
            advance(done, total)
            assemble(whole=False)
        # no task comes back for tars of which nothing was missing
        assemble(whole=True)
        result = assembly.finish(name, records_xxh3, folder, naming.texts_in_json)
    # after the tars have moved: written before, a crash between the two would make it a lie
    Ledger(
        request=request,
        samples=total,
        count=result.count,
        faults=result.faults,
        tars=_stamped(result.shards, folder),
        places=_places(planned, stems, slices),
    ).write(work)
    # until the ledger was there these were all that a stopped run could go on from
    for stem in stems.values():
        (work / f"{stem}.tar").unlink(missing_ok=True)
    keep = set(stems.values())
    # an index stays: with its stretch of the tar it is a finished piece for the next run
    for path in work.glob("*.arrow"):
        if path.stem not in keep:
            path.unlink()
    return result


def _piece_identity(piece: Piece, root: Path, config: str, naming: Naming) -> str:
    samples = [
        (
            sample.key,
            annotation(sample, naming.texts_in_json),
            [signals(record) for record in sample.records],
            _media_identity(sample, root),
        )
        for sample in piece.samples
    ]
    return fingerprint(config, piece.split, samples)


def _media_identity(sample: Sample, root: Path) -> list[tuple[object, ...]]:
    identities: list[tuple[object, ...]] = []
    for name, part in sorted(sample.records[0].parts.items()):
        # without a hash nothing else tells that the file was changed
        unmeasured = (
            stamp_of(root / part.uri) if part.uri is not None and part.hash is None else None
        )
        identities.append(
            (
                name,
                part.identity(),
                part.uri,
                unmeasured,
                part.damage,
                part.width is None,
                part.duration_s,
            )
        )
    return identities


def _piece_slice(work: Path, stem: str) -> _Slice:
    index = work / f"{stem}.arrow"
    return _Slice(work / f"{stem}.tar", 0, _PieceNote.of(index).bytes, index)


def _slices(ledger: Ledger, work: Path, folder: Path) -> dict[str, _Slice]:
    """Pieces that need not be written again: finished ones of a run that was stopped, and stretches
    of the tars that are there.
    """
    slices = {}
    for path in work.glob("*.arrow"):
        if path.with_suffix(".tar").is_file():
            slices[path.stem] = _piece_slice(work, path.stem)
    for stem, (tar, offset, length) in ledger.places.items():
        index = work / f"{stem}.arrow"
        if stem not in slices and index.is_file() and tar in ledger.tars:
            slices[stem] = _Slice(folder / tar, offset, length, index)
    return slices


def _is_whole(piece: _Slice) -> bool:
    """Whether a piece can be used: a stretch of a tar, which was synced, or a file of its own with
    the checksum that its index notes.
    """
    own = piece.path == piece.index.with_suffix(".tar")
    return not own or hash_file(piece.path) == _PieceNote.of(piece.index).xxh3


def _stamped(shards: ShardSet, folder: Path) -> dict[str, TarState]:
    """Stamp and checksum of every file of the set."""
    sums = {SET_FILE: hash_bytes(shards.to_json().encode())}
    for shard in shards.shards:
        sums |= {f"{shard.name}.tar": shard.xxh3, f"{shard.name}.arrow": shard.index_xxh3}
    return {name: TarState(stamp_of(folder / name), xxh3) for name, xxh3 in sums.items()}


def _places(
    planned: Sequence[tuple[str, list[Piece]]],
    stems: Mapping[int, str],
    known: Mapping[str, _Slice],
) -> dict[str, PlaceInTar]:
    places = {}
    for name, pieces in planned:
        offset = 0
        for piece in pieces:
            stem = stems[id(piece)]
            places[stem] = PlaceInTar(f"{name}.tar", offset, known[stem].length)
            offset += known[stem].length
    return places


class _Assembly:
    """Puts pieces together into tars aside, in a thread of its own while workers write the next;
    then lets them take the places of the old ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # one thread alone: tars, counts and faults come in planned order
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="modalmill-assembly")
        self._waiting: list[Future[None]] = []
        self._count = Count("shard")
        self._faults: list[FaultRow] = []
        self._shards: list[Shard] = []
        self._parts: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self._members: dict[str, str] = {}
        self._fields: dict[str, dict[str, str]] = {}
        self._presence: dict[str, Counter[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> _Assembly:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def add(self, name: str, pieces: Sequence[Piece], slices: Sequence[_Slice]) -> None:
        """Build one tar and its index, after those added before; an error of theirs ends the work
        here and not at the end.
        """
        for future in self._waiting:
            if future.done():
                future.result()
        self._waiting.append(self._thread.submit(self._build, name, pieces, slices))

    def _build(self, name: str, pieces: Sequence[Piece], slices: Sequence[_Slice]) -> None:
        hasher = xxhash.xxh3_128()
        tables, size, samples = [], 0, 0
        split = pieces[0].split
        presence = self._presence.setdefault(split, Counter())
        with replacing(self._folder / f"{name}.tar") as aside, open(aside, "wb") as out:
            for part in slices:
                with open(part.path, "rb") as source:
                    _copy(source, part.offset, part.length, out, hasher)
                tables.append(_shifted(read_table(part.index), size))
                note = _PieceNote.of(part.index)
                self._faults += note.faults
                self._count.notes.update(note.notes)
                self._parts |= note.holds.parts
                self._targets |= note.holds.targets
                self._members |= note.holds.members
                for name_of_part, kinds in note.holds.fields.items():
                    self._fields.setdefault(name_of_part, {}).update(kinds)
                presence.update(note.holds.presence)
                samples += note.samples
                size += part.length
            out.write(END)
            hasher.update(END)
        # concat keeps the note of the first piece, which is not true of the tar
        table = (
            pa.concat_tables(tables).combine_chunks().replace_schema_metadata(INDEX_SCHEMA.metadata)
        )
        index = self._folder / f"{name}.arrow"
        write_table(index, table)
        self._count.kinds["samples"] += samples
        self._count.written += table.num_rows
        self._count.read += sum(len(sample.records) for piece in pieces for sample in piece.samples)
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
        count, shards = self._count, self._shards
        count.rejected = len(self._faults)
        count.reasons.update(Counter(str(fault["rule"]) for fault in self._faults))
        count.kinds["shards"] = len(shards)
        for shard in shards:
            count.splits[shard.split] += shard.records
        for pattern_counts in self._presence.values():
            count.presence.update(pattern_counts)
        presence = {
            split: dict(sorted(patterns.items())) for split, patterns in self._presence.items()
        }
        seal = fingerprint([(shard.name, shard.xxh3, shard.index_xxh3) for shard in shards])
        parts, targets = (dict(sorted(names.items())) for names in (self._parts, self._targets))
        result = ShardSet(name, seal, records_xxh3, parts, presence, targets, tuple(shards))
        _move_in(
            result,
            card_text(result, self._members, self._fields, texts_in_json),
            self._folder,
            folder,
        )
        return Sharded(result, count, self._faults)


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


def _finished(ledger: Ledger, folder: Path) -> Sharded:
    from ..schemas.index import read_shard_set

    return Sharded(read_shard_set(folder), ledger.count, ledger.faults)


def _holds(rows: Sequence[IndexRow], modalities: Mapping[str, str]) -> _Holds:
    parts: dict[str, str] = {}
    targets: dict[str, str] = {}
    members: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    presence: Counter[str] = Counter()
    for row in rows:
        for member in [*row["media"], *row["others"]]:
            members[member["name"].removeprefix(f"{row['sample']}.")] = member["modality"]
        here = {
            entry["part"]: modalities[entry["part"]] for entry in [*row["texts"], *row["media"]]
        }
        parts |= here
        for entry in row["texts"]:
            if entry["text"] is not None:
                fields.setdefault(entry["part"], {}).update(
                    in_record(here[entry["part"]]).fields(entry["text"])
                )
        presence[presence_pattern(here)] += 1
        for name, value in json.loads(row["targets"]).items():
            targets[name] = (
                "number"
                if isinstance(value, (int, float))
                else "list"
                if isinstance(value, list)
                else "text"
            )
    fields = {part: kinds for part, kinds in fields.items() if kinds}
    return _Holds(parts, targets, members, dict(presence), fields)
