"""Pieces of tars: what one is made from, the writing of one, and where the bytes of a written one
lie.

A piece lies as ``<stem>.tar`` and ``<stem>.arrow`` until its tar is whole, and as a stretch of that
tar from then on. The stem is a fingerprint of all that decides its bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from ...schemas.account import presence_pattern
from ...schemas.disk import read_note, read_table, replacing, write_table
from ...schemas.fingerprint import fingerprint, hash_file
from ...schemas.index import IndexRow, index_table
from ...schemas.recipe import ShardOptions
from ...schemas.rejects import FaultRow, fault_row
from ..media.files import stamp_of_medium
from ..modality import in_record
from .ledger import Ledger
from .plan import Naming, Sample
from .write import PieceWriter, signals


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the index rows of a piece hold: parts and members with their modality, targets and the
    fields of tables with their kind, which parts are present together.
    """

    parts: Mapping[str, str]
    targets: Mapping[str, str]
    members: Mapping[str, str]
    presence: Mapping[str, int]
    fields: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls, rows: Sequence[IndexRow], modalities: Mapping[str, str], targets: Mapping[str, str]
    ) -> Self:
        """Those of these rows, whose parts have these modalities and whose targets are of these
        kinds.
        """
        parts: dict[str, str] = {}
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
        fields = {part: kinds for part, kinds in fields.items() if kinds}
        return cls(parts, dict(targets), members, dict(presence), fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceNote:
    """What stands beside a piece's index rows: the samples that could not be written; length and
    checksum of its bytes; and what a person should know of it.
    """

    faults: Sequence[FaultRow]
    bytes: int
    xxh3: str
    samples: int
    holds: Holdings
    notes: Mapping[str, int]

    @classmethod
    def read(cls, index: Path) -> Self:
        """As the file has it."""
        note = read_note(index)
        return cls(**{**note, "holds": Holdings(**note["holds"])})


@dataclass(frozen=True, slots=True)
class WrittenPiece:
    """Where a piece's bytes lie: in a file of its own, or in a stretch of a tar from an earlier
    run. ``index``: its index rows, with their note.
    """

    path: Path
    offset: int
    length: int
    index: Path

    @classmethod
    def alone(cls, work: Path, stem: str) -> Self:
        """One that no tar has taken up yet."""
        index = work / f"{stem}.arrow"
        return cls(work / f"{stem}.tar", 0, PieceNote.read(index).bytes, index)

    def rows(self) -> pa.Table:
        """Its index rows; offsets count from its first byte."""
        return read_table(self.index)


def pieces_in_tars(ledger: Ledger, work: Path, folder: Path) -> dict[str, WrittenPiece]:
    """Pieces of an earlier run that are stretches of the tars in ``folder``. The index of a piece
    whose bytes have gone is removed: where one lies, there is a piece.
    """
    written = {}
    for index in work.glob("*.arrow"):
        place = ledger.places.get(index.stem)
        if index.with_suffix(".tar").is_file():
            continue
        if place is not None and place.tar in ledger.tars:
            written[index.stem] = WrittenPiece(
                folder / place.tar, place.offset, place.length, index
            )
        else:
            index.unlink()
    return written


def is_written(work: Path, stem: str) -> bool:
    """Whether a piece need not be written again: it is a stretch of a tar, which was synced, or has
    a file of its own with the checksum that its index notes.
    """
    index, alone = work / f"{stem}.arrow", work / f"{stem}.tar"
    if not index.is_file():
        return False
    return not alone.is_file() or hash_file(alone) == PieceNote.read(index).xxh3


def piece_stem(split: str, samples: Sequence[Sample], root: Path, config: str) -> str:
    """A fingerprint of all that decides the bytes of a piece, and so the name of its files."""
    contents = [
        (
            sample.key,
            sample.annotation,
            [signals(record) for record in sample.records],
            list(_media_in(sample, root)),
        )
        for sample in samples
    ]
    return fingerprint(config, split, contents)


def _media_in(sample: Sample, root: Path) -> Iterator[tuple[object, ...]]:
    """What decides the members that a sample's media become."""
    for name, part in sorted(sample.records[0].parts.items()):
        # without a hash nothing else tells that the file was changed
        unmeasured = (
            stamp_of_medium(root, part.uri) if part.uri is not None and part.hash is None else None
        )
        yield (
            name,
            part.identity(),
            part.uri,
            unmeasured,
            part.damage,
            part.width is None,
            part.duration_s,
        )


def write_piece(
    samples: Sequence[Sample],
    root: Path,
    options: ShardOptions,
    naming: Naming,
    path: Path,
    check: Callable[[str], None],
) -> None:
    """Write ``<path>.tar`` and then ``<path>.arrow``. ``check`` is called before each medium, and
    raises DamageError for one that is not to be touched.
    """
    faults: list[FaultRow] = []
    # Not synced: it is soon copied into a tar that is, and checked against its checksum if a later
    # run finds it.
    with replacing(path.with_suffix(".tar"), synced=False) as aside, open(aside, "wb") as file:
        writer = PieceWriter(file, root, options, naming)
        for sample in samples:
            fault = writer.add(sample, check)
            if fault is not None:
                faults += [fault_row(record, fault, "shard") for record in sample.records]
    note = PieceNote(
        faults=faults,
        bytes=writer.place,
        xxh3=writer.xxh3,
        samples=len({row["sample"] for row in writer.rows}),
        holds=Holdings.of(writer.rows, writer.parts, writer.targets),
        notes=dict(writer.notes),
    )
    write_table(path.with_suffix(".arrow"), index_table(writer.rows), asdict(note))
