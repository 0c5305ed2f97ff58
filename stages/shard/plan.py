"""Which sample goes into which shard: decided from the manifest alone, before any medium is read,
and by column: of a million records no million objects are made.

Samples are ordered by a hash of the seed and their key, so that reading shards one after the other
is already mixed, and cut into pieces of about a hundred, the unit of work and of resuming. A
piece's samples depend on their own hashes only: a record more or less changes the pieces it touches
and no others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from ...schemas.columns import one_array
from ...schemas.fingerprint import uniform_for
from ...schemas.manifest import parts_of
from ...schemas.recipe import ShardOptions
from ...schemas.record import NO_SPLIT, Part, Record
from ..modality import is_in_record, is_rendered, on_disk

SAMPLES_PER_PIECE = 128
# of samples without media, which are written so fast that files and tasks would cost most
TEXTS_PER_PIECE = 1024
_MEMBER_BYTES = 1536  # of the annotation, and of headers and padding
_DIGEST = pa.binary(16)
_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a tar: its key, the records that share its media, by key, and its json
    member.
    """

    key: str
    records: tuple[Record, ...]
    annotation: str


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


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of samples of one split, written by one worker. bytes: about so many it will have
    in the tar.
    """

    split: str
    samples: int
    records: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class PiecePlan:
    """The pieces of a set in order, and where each row of its manifest goes.

    keys: of the samples ``[S]``. sample: the sample of each row ``int64 [N]``. place: of each
    sample in the order of the set ``int64 [S]``; pieces are stretches of that order.
    """

    naming: Naming
    pieces: Sequence[Piece]
    keys: pa.Array
    sample: np.ndarray
    place: np.ndarray


class Planning:
    """Takes a manifest, some rows at a time and in its order, and then plans the pieces."""

    def __init__(self, options: ShardOptions) -> None:
        self._options = options
        self._names: dict[str, set[str]] = {}
        # with nothing in them: there may be no rows
        self._keys = [pa.array([], pa.large_string())]
        self._groups = [pa.array([], pa.large_string())]
        self._splits = [pa.array([], pa.string())]
        self._media = [pa.array([], _DIGEST)]
        self._bytes = [np.empty(0, np.int64)]

    def add(self, table: pa.Table) -> None:
        """Take the next rows."""
        lists = one_array(table["parts"])
        entries = lists.flatten()
        kinds = pa.table([entries.field("modality"), entries.field("name")], ["modality", "name"])
        for kind in kinds.group_by(["modality", "name"]).aggregate([]).to_pylist():
            self._names.setdefault(kind["modality"], set()).add(kind["name"])
        rows = np.unique(pc.list_parent_indices(lists).filter(_are_rendered(entries)).to_numpy())
        media, sizes = np.full(len(table), None, object), np.zeros(len(table), np.int64)
        with_media = table.take(pa.array(rows))
        for row, split, group, parts in zip(
            rows.tolist(),
            with_media["split"].to_pylist(),
            with_media["group"].to_pylist(),
            parts_of(one_array(with_media["parts"])),
            strict=True,
        ):
            media[row] = _digest(split or "", group, parts)
            sizes[row] = _estimated_bytes(parts.values(), self._options)
        is_shareable = np.zeros(len(table), bool)
        is_shareable[rows] = True
        # a sample is called by the group of records that share media, and by no other
        groups = pc.if_else(pa.array(is_shareable), table["group"], pa.scalar(None, pa.string()))
        # large: the keys of all records may have more than 2 GiB
        self._keys.append(one_array(table["key"]).cast(pa.large_string()))
        self._groups.append(one_array(groups).cast(pa.large_string()))
        self._splits.append(one_array(table["split"]))
        self._media.append(pa.array(media, _DIGEST))
        self._bytes.append(sizes)

    def planned(self, seed: int) -> PiecePlan:
        """The pieces of all rows that were taken."""
        media = pa.concat_arrays(self._media)
        first, sample = _samples(media)
        rows = pa.array(first)
        records = np.bincount(sample, minlength=len(first))
        keys = self._sample_keys(rows, records)
        splits = _split_names(pa.concat_arrays(self._splits).take(rows))
        chance = _chances(keys, seed)
        order = pc.sort_indices(
            pa.table({"split": splits, "chance": chance, "key": keys}),
            sort_keys=[(name, "ascending") for name in ("split", "chance", "key")],
        )
        # by place from here on
        by_place = order.to_numpy()
        splits, chance, records = splits.take(order), chance[by_place], records[by_place]
        has_media = media.take(rows).take(order).is_valid().to_numpy(zero_copy_only=False)
        sizes = np.concatenate(self._bytes)[first][by_place]
        pieces = [
            Piece(split, end - start, int(records[start:end].sum()), int(sizes[start:end].sum()))
            for split, start, end in _stretches(splits, chance, has_media)
        ]
        place = np.empty(len(first), np.int64)
        place[by_place] = np.arange(len(first))
        return PiecePlan(self._naming(bool((records > 1).any())), pieces, keys, sample, place)

    def _naming(self, several: bool) -> Naming:
        alone = (names for names in self._names.values() if len(names) == 1)
        return Naming(frozenset(name for names in alone for name in names), several)

    def _sample_keys(self, rows: pa.Array, records: np.ndarray) -> pa.Array:
        """A sample of one record takes its key; one of several takes the key of their group where
        no other sample has it.
        """
        keys = pa.concat_arrays(self._keys).take(rows)
        shared = np.flatnonzero(records > 1)
        if not len(shared):
            return keys
        groups = pa.concat_arrays(self._groups).take(rows).take(pa.array(shared))
        # a group can be called like a record, which then needs the name for itself
        is_free = pc.invert(pc.is_in(groups, value_set=keys)).to_pylist()
        named: dict[str, int] = {}
        for sample, group, free in zip(shared.tolist(), groups.to_pylist(), is_free, strict=True):
            if free:
                named.setdefault(group, sample)
        mask = np.zeros(len(keys), bool)
        mask[list(named.values())] = True
        # those of one group come in the order of their first records, and so do the samples
        return pc.replace_with_mask(keys, pa.array(mask), pa.array(list(named), pa.large_string()))


def _samples(media: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each sample ``int64 [S]``, ascending, and the sample of each row ``int64
    [N]``: records with exactly the same media, and media at all, are one; every other its own.
    """
    owner = np.arange(len(media))
    rows = np.flatnonzero(media.is_valid().to_numpy(zero_copy_only=False))
    if len(rows):
        # numbered as they first come
        numbers = media.take(pa.array(rows)).dictionary_encode().indices.to_numpy()
        _, first = np.unique(numbers, return_index=True)
        owner[rows] = rows[first][numbers]
    first = np.flatnonzero(owner == np.arange(len(media)))
    return first, np.searchsorted(first, owner)


def _split_names(splits: pa.Array) -> pa.Array:
    """What the tars of each sample are called by."""
    return pc.if_else(pc.equal(pc.fill_null(splits, ""), ""), NO_SPLIT, splits)


def _chances(keys: pa.Array, seed: int) -> np.ndarray:
    """A number in [0, 1) for each sample, which its key and the seed decide ``float64 [S]``."""
    chances = np.empty(len(keys))
    for start in range(0, len(keys), _AT_ONCE):
        some = keys.slice(start, _AT_ONCE).to_pylist()
        chances[start : start + len(some)] = [uniform_for(seed, "shard", key) for key in some]
    return chances


def _stretches(
    splits: pa.Array, chance: np.ndarray, has_media: np.ndarray
) -> Iterator[tuple[str, int, int]]:
    """The split of each piece, and the places [start, end) of its samples; all of one split lie
    together, by ``chance``.
    """
    runs = pc.run_end_encode(splits)
    start = 0
    for split, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        most = SAMPLES_PER_PIECE if has_media[start:end].any() else TEXTS_PER_PIECE
        count = 1
        while count * most < end - start:
            # doubled, a split that grows divides its pieces and moves no sample from one to another
            count *= 2
        numbers = (chance[start:end] * count).astype(np.int64)
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), end - start]
        for first, last in itertools.pairwise(bounds):
            yield split, start + first, start + last
        start = end


def plan_shards(pieces: Iterable[Piece], options: ShardOptions) -> list[tuple[str, list[Piece]]]:
    """Names of the tars without their ending, and the pieces of each, closed at about
    ``shard_bytes``.
    """
    shards: list[tuple[str, list[Piece]]] = []
    numbers: dict[str, int] = {}
    size = 0
    for piece in pieces:
        more = piece.bytes + _MEMBER_BYTES * piece.samples
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


def _are_rendered(parts: pa.StructArray) -> pa.Array:
    """``is_rendered`` of each of these parts."""
    kinds = parts.field("modality")
    plain = [kind for kind in kinds.unique().to_pylist() if is_in_record(kind)]
    in_record = pc.is_in(kinds, value_set=pa.array(plain, pa.string()))
    return pc.or_(parts.field("uri").is_valid(), pc.invert(in_record))


def _digest(split: str, group: str, parts: dict[str, Part]) -> bytes:
    """What records of one sample have in common, in 16 bytes."""
    media = [(name, part.identity()) for name, part in sorted(parts.items()) if is_rendered(part)]
    return xxhash.xxh3_128_digest(repr((split, group, media)).encode("utf-8", "surrogatepass"))


def _estimated_bytes(parts: Iterable[Part], options: ShardOptions) -> int:
    return sum(
        on_disk(part.modality).estimated_bytes(part, options) for part in parts if is_rendered(part)
    )
