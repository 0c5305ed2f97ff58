"""Leaks: what two splits of a set of shards, or two sets, have in common.

The shards themselves are read, whatever made them: media that are the same bytes, pictures that
look the same, recordings and films that are one, records of texts alone that have the same words or
share most of them, and groups that lie in both. A recipe that was right has none; a set of somebody
else may.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from ..schemas.disk import read_table
from ..schemas.errors import DamageError, InputError, IntegrityError
from ..schemas.fingerprint import hash_bytes
from ..schemas.index import IndexMember, ShardSet, read_shard_set, shards_within
from ..schemas.plain_text import render_text
from ..schemas.united import United
from ..stages.media.refusing import refusing
from ..stages.modalities.text.near import PART, SIMILARITY, near_texts
from ..stages.modalities.text.words import compared_words, count_words
from ..stages.modality import on_disk
from .progress import Advance

KINDS = {
    "bytes": "media that are the same bytes",
    "look-alike": "pictures that look the same, or recordings or films that are one",
    "text": "records of texts alone that have the same words",
    "near-text": "records of texts alone that share most of their words",
    "group": "groups that lie in both",
}
_SHOWN = 10


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A record; the part that is meant, where one is. side: what is compared with the others, a
    split or a whole set. shown: the side as people read it, with the split of a set.
    """

    side: str
    shown: str
    key: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.shown}: {self.key}" + (f" ({self.part})" if self.part else "")


class PlaceOnDisk(TypedDict):
    """A :class:`Place`; its part where one is meant."""

    side: str
    key: str
    part: NotRequired[str]


class Pair(TypedDict):
    """Two records that have something in common."""

    kind: str
    one: PlaceOnDisk
    other: PlaceOnDisk


class LeaksOnDisk(TypedDict):
    """What ``modalmill leaks --json`` says; numbers by kind and by side, then every pair."""

    leaks: dict[str, int]
    records: dict[str, int]
    looked_at: dict[str, int]
    damaged: list[str]
    pairs: list[Pair]


@dataclass
class Leaks:
    """Pairs by kind, and how many records of each side are in any. looked_at: how many things of
    each kind were compared. damaged: media that could not be.
    """

    pairs: dict[str, list[tuple[Place, Place]]] = field(
        default_factory=lambda: {kind: [] for kind in KINDS}
    )
    looked_at: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)

    def records(self) -> dict[str, int]:
        """How many records of each side have a partner in another one."""
        places = {
            (place.shown, place.key)
            for pairs in self.pairs.values()
            for pair in pairs
            for place in pair
        }
        return dict(sorted(Counter(side for side, _ in places).items()))

    def __bool__(self) -> bool:
        return any(self.pairs.values())

    def to_dict(self) -> LeaksOnDisk:
        """Plain JSON values, every pair among them."""
        return {
            "leaks": {kind: len(pairs) for kind, pairs in self.pairs.items()},
            "records": self.records(),
            "looked_at": dict(self.looked_at),
            "damaged": self.damaged,
            "pairs": [
                {"kind": kind, "one": _json(first), "other": _json(other)}
                for kind, pairs in self.pairs.items()
                for first, other in pairs
            ],
        }


def _json(place: Place) -> PlaceOnDisk:
    told: PlaceOnDisk = {"side": place.shown, "key": place.key}
    if place.part:
        told["part"] = place.part
    return told


def find_leaks(
    sets: Sequence[Path], words: int, advance: Advance, similarity: float = SIMILARITY
) -> Leaks:
    """Leaks between the splits of one set, or between two sets. words: of fewer, equal and near
    texts are no leak. similarity: the share of shingles from which on texts are near, 0 for none.
    """
    if 0 < similarity < 0.5:
        raise InputError(f"--similarity: wanted 0, or a share in [0.5, 1], found {similarity}")
    leaks = Leaks()
    opened = [_shard_set(path) for path in sets]
    if len({folder.resolve() for folder, _ in opened}) < len(opened):
        raise InputError(f"{sets[0]}: the same set twice, which has all of itself in common")
    groups: dict[str, list[Place]] = defaultdict(list)
    texts: dict[str, list[Place]] = defaultdict(list)
    contents: dict[str, list[Place]] = defaultdict(list)
    compared: dict[str, tuple[list[str], list[object]]] = {}
    done, total = 0, sum(shard.records for _, shards in opened for shard in shards.shards)
    for folder, shards in opened:
        for shard in shards.shards:
            side = str(folder) if len(sets) > 1 else shard.split
            shown = f"{folder}:{shard.split}" if len(sets) > 1 else shard.split
            index = read_table(folder / f"{shard.name}.arrow")
            rows = index.select(["key", "group", "texts", "media"]).to_pylist()
            with (folder / f"{shard.name}.tar").open("rb") as tar:
                by_offset: dict[int, str] = {}
                for row in rows:
                    place = Place(side, shown, row["key"])
                    # a group of its own that nobody named says nothing about another set
                    if row["group"] != row["key"]:
                        groups[row["group"]].append(place)
                    if not row["media"]:
                        own = [compared_words(entry["text"] or "") for entry in row["texts"]]
                        if sum(map(count_words, own)) >= words:
                            texts[PART.join(own)].append(place)
                    for member in row["media"]:
                        # records of one sample share their media: read each once
                        if member["offset"] not in by_offset:
                            tar.seek(member["offset"])
                            data = tar.read(member["size"])
                            if len(data) < member["size"]:
                                raise IntegrityError(
                                    f"{tar.name}: is shorter than its index says (at"
                                    f" {member['name']}); see 'modalmill verify'"
                                )
                            content = by_offset[member["offset"]] = hash_bytes(data)
                            # equal bytes need no comparing by looks
                            if content not in contents:
                                _compare_by(compared, member, data, content, leaks)
                        where = Place(side, shown, row["key"], member["part"])
                        contents[by_offset[member["offset"]]].append(where)
            done += len(rows)
            advance(done, total)
    leaks.looked_at.update(media=len(contents), texts=len(texts), groups=len(groups))
    leaks.pairs["group"] += _across(groups.values())
    leaks.pairs["text"] += _across(texts.values())
    leaks.pairs["near-text"] += _near_texts(texts, similarity) if similarity else []
    leaks.pairs["bytes"] += _across(contents.values())
    for kind, (names, likenesses) in compared.items():
        united = United(len(names))
        for one, other in on_disk(kind).alike(likenesses):
            united.unite(one, other)
        leaks.pairs["look-alike"] += _across(
            [place for number in numbers for place in contents[names[number]]]
            for numbers in united.sets()
        )
    return leaks


def _shard_set(path: Path) -> tuple[Path, ShardSet]:
    folder = shards_within(path)
    return folder, read_shard_set(folder)


def _compare_by(
    compared: dict[str, tuple[list[str], list[object]]],
    member: IndexMember,
    data: bytes,
    content: str,
    found: Leaks,
) -> None:
    """Keep what the medium is compared by, where its modality has something."""
    kind = on_disk(member["modality"])
    try:
        with refusing("decoder_failed", member["name"]):
            likeness = kind.likeness_of(data)
    except DamageError as error:
        found.damaged.append(f"{member['name']}: {error}")
        return
    if likeness is not None:
        names, likenesses = compared.setdefault(kind.name, ([], []))
        names.append(content)
        likenesses.append(likeness)


def _near_texts(
    texts: Mapping[str, list[Place]], similarity: float
) -> Iterator[tuple[Place, Place]]:
    """Pairs across sides of other words, near directly or through others."""
    together: dict[int, list[Place]] = defaultdict(list)
    words: dict[Place, int] = {}
    for number, (first, places) in enumerate(
        zip(near_texts(list(texts), similarity).first().tolist(), texts.values(), strict=True)
    ):
        together[first] += places
        words |= dict.fromkeys(places, number)
    for one, other in _across(together.values()):
        # those of the same words are told as such
        if words[one] != words[other]:
            yield one, other


def _across(sets: Iterable[list[Place]]) -> Iterator[tuple[Place, Place]]:
    """Pairs of places in different sides: each of a set of equal things with the first of another
    side.
    """
    for places in sets:
        by_side: dict[str, list[Place]] = defaultdict(list)
        for place in places:
            by_side[place.side].append(place)
        for side, other in itertools.combinations(sorted(by_side), 2):
            first, second = sorted(set(by_side[side])), sorted(set(by_side[other]))
            ours = {(mine, second[0]) for mine in first}
            yield from sorted(ours | {(first[0], theirs) for theirs in second})


def leaks_text(found: Leaks) -> str:
    """For people: a line for each kind, and the first pairs of each."""
    lines = []
    for kind, what in KINDS.items():
        pairs = found.pairs[kind]
        lines.append(f"{len(pairs):>8,}  {kind:<11} {what}")
        lines += [f"{'':10}{first} = {other}" for first, other in pairs[:_SHOWN]]
        if len(pairs) > _SHOWN:
            lines.append(f"{'':10}and {len(pairs) - _SHOWN:,} more; --json lists all")
    looked = ", ".join(f"{number:,} {what}" for what, number in found.looked_at.items())
    lines += ["", f"compared: {looked}"]
    if found.damaged:
        lines.append(
            f"compared by their bytes alone, for they do not decode: {len(found.damaged):,}, the"
            f" first {found.damaged[0]}"
        )
    if found:
        told = ", ".join(f"{number:,} of {side}" for side, number in found.records().items())
        lines.append(f"records with a partner on another side: {told}")
    return render_text(*lines)
