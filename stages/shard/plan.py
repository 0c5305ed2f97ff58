"""Which sample goes into which shard: decided from the manifest alone, before any medium is read.

Samples are ordered by a hash of the seed and their key, so that reading shards one after the other
is already mixed, and cut into pieces of about a hundred, the unit of work and of resuming. A
piece's samples depend on their own hashes only: a record more or less changes the pieces it touches
and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...schemas.fingerprint import uniform_for
from ...schemas.recipe import ShardOptions
from ...schemas.record import Record
from ..modality import is_rendered, on_disk

SAMPLES_PER_PIECE = 128
# of samples without media, which are written so fast that files and tasks would cost most
TEXTS_PER_PIECE = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a tar: its key and the records that share its media."""

    key: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Naming:
    """How members are called in a whole set, so that every sample of it has the same ones: readers
    that make columns of them ask for that.

    plain: parts that are the only one of their modality anywhere; their members are
        ``<key>.<ending>``, others ``<key>.<part>.<ending>``.
    texts_in_json: some samples hold several records, so no text has a member of its own.
    """

    plain: frozenset[str]
    texts_in_json: bool


def naming_of(samples: Iterable[Sample]) -> Naming:
    """The naming of a set that holds these samples."""
    names: dict[str, set[str]] = {}
    several = False
    for sample in samples:
        several = several or len(sample.records) > 1
        for record in sample.records:
            for name, part in record.parts.items():
                names.setdefault(part.modality, set()).add(name)
    return Naming(
        frozenset(name for of_kind in names.values() for name in of_kind if len(of_kind) == 1),
        several,
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of samples of one split, written by one worker."""

    split: str
    number: int
    samples: tuple[Sample, ...]


def group_samples(records: Iterable[Record]) -> list[Sample]:
    """Records with exactly the same media, and media at all, as one sample; every other record as
    its own.

    A sample of one record takes its key; one of several takes the key of their group where no other
    sample has it.
    """
    by_media: dict[tuple[str, ...], list[Record]] = {}
    samples: list[Sample] = []
    for record in records:
        media = tuple(
            f"{name}:{part.identity()}"
            for name, part in sorted(record.parts.items())
            if is_rendered(part)
        )
        if media:
            by_media.setdefault((record.split or "", record.group, *media), []).append(record)
        else:
            samples.append(Sample(record.key, (record,)))
    # a group can be called like a record, which then needs the name for itself
    taken = {sample.key for sample in samples} | {sharing[0].key for sharing in by_media.values()}
    for sharing in by_media.values():
        first = min(sharing, key=lambda record: record.key)
        key = first.key
        if len(sharing) > 1 and first.group not in taken:
            key = first.group
            taken.add(key)
        samples.append(Sample(key, tuple(sorted(sharing, key=lambda record: record.key))))
    return samples


def plan_pieces(samples: Iterable[Sample], seed: int) -> list[Piece]:
    """The pieces of every split, in order of the hash."""
    by_split: dict[str, list[tuple[float, str, Sample]]] = {}
    for sample in samples:
        place = uniform_for(seed, "shard", sample.key)
        by_split.setdefault(sample.records[0].split or "all", []).append(
            (place, sample.key, sample)
        )
    pieces: list[Piece] = []
    for split, placed in sorted(by_split.items()):
        count = 1
        has_media = any(_has_media(sample) for _, _, sample in placed)
        most = SAMPLES_PER_PIECE if has_media else TEXTS_PER_PIECE
        while count * most < len(placed):
            # doubled, a split that grows divides its pieces and moves no sample from one to another
            count *= 2
        bins: list[list[tuple[float, str, Sample]]] = [[] for _ in range(count)]
        for entry in placed:
            bins[int(entry[0] * count)].append(entry)
        for number, entries in enumerate(bins):
            if entries:
                pieces.append(
                    Piece(
                        split,
                        number,
                        tuple(
                            sample for _, _, sample in sorted(entries, key=lambda entry: entry[:2])
                        ),
                    )
                )
    return pieces


def _has_media(sample: Sample) -> bool:
    return any(is_rendered(part) for part in sample.records[0].parts.values())


def plan_shards(pieces: Iterable[Piece], options: ShardOptions) -> list[tuple[str, list[Piece]]]:
    """Names of the tars without their ending, and the pieces of each, closed at about
    ``shard_bytes``.
    """
    shards: list[tuple[str, list[Piece]]] = []
    numbers: dict[str, int] = {}
    size = 0
    for piece in pieces:
        more = sum(_estimated_bytes(sample, options) for sample in piece.samples) + 1536 * len(
            piece.samples
        )
        if (
            not shards
            or shards[-1][1][0].split != piece.split
            or (size and size + more > options.shard_bytes)
        ):
            number = numbers.get(piece.split, 0)
            numbers[piece.split] = number + 1
            shards.append((f"{piece.split}-{number:06d}", []))
            size = 0
        shards[-1][1].append(piece)
        size += more
    return shards


def _estimated_bytes(sample: Sample, options: ShardOptions) -> int:
    parts = sample.records[0].parts.values()
    return sum(
        on_disk(part.modality).estimated_bytes(part, options) for part in parts if is_rendered(part)
    )
