"""Duplicates: exact ones by content become one record; near ones (images that look the same,
recordings and films that are one, texts that share their words) share a group.

A perceptual hash finds pictures that may look alike; charts, screenshots and dark frames that do
not look alike have the same ones. So what a hash finds is confirmed on thumbnails of 32 x 32
pixels, after the brightness of one was fitted to that of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from ...schemas.columns import numbered_by_name, one_array
from ...schemas.contents import Contents
from ...schemas.record import Fault
from ...schemas.united import United
from ..base import CorpusStage, Decision, Edge, Likeness, rows_of
from ..media.film_alikes import film_alikes
from ..media.fingerprint import sound_alikes
from ..media.lookalikes import BITS, look_alikes
from ..media.sketch import Sketch
from ..modalities.image.signals.phash import perceptual_hash
from ..modalities.text.near import PART, SHINGLE, SIMILARITY, jaccard, near_texts
from ..modalities.text.words import compared_words, count_words
from ..modality import every_on_disk

# what records have in common, as an edge of theirs says it and as people read it
KINDS = {
    "content": "equal contents",
    "bytes": "one file",
    "text": "the same words",
    "look-alike": "pictures that look alike",
    "near-text": "texts that are near",
    "recording": "recordings that are one",
    "film": "films that are one",
}


@dataclass(frozen=True, kw_only=True)
class Duplicates(CorpusStage):
    """Merges records whose parts are the same bytes, and keeps near-duplicate images together in
    one group.

    exact: ``merge`` keeps the first (by key) of records with equal parts and targets; ``group``
        keeps all in one group.
    same_targets: whether the targets count; without them two records with equal parts and other
        labels are duplicates too.
    near_bits: images whose 64-bit perceptual hashes differ in at most this many bits, and whose
        thumbnails look the same, are near duplicates: recompressed, scaled, a little brighter. Of a
        record with several images each one is compared. 0 turns it off.
    sounds: recordings that are one by their fingerprints (compressed, resampled, louder, a piece of
        at least half the shorter one) keep their records in one group.
    films: films that are one by what changes in them (compressed, scaled, at another frame rate,
        with bars, a little brighter, a piece of at least half the shorter one) keep their records
        in one group; of those in which nothing changes none is found.
    text_words: records of texts alone keep in one group where they have the same words, but for
        case, punctuation and spacing, and at least so many of them. 0 turns it off.
    near: ``group`` keeps near duplicates in one group; ``merge`` keeps the first of those whose
        texts, other media and targets are equal, merges into it what is near to it itself, and
        groups the rest, as well as records of several images. Of images; texts have ``near_texts``.
    near_texts: ``group`` keeps records of texts alone that share most of their words, directly or
        through others, in one group; ``merge`` keeps the first of those whose targets and names of
        parts are equal, merges into it what is near to it itself, and groups the rest. Words are
        compared as ``text_words`` says, and texts of fewer than that take no part (0: all that
        have a word do).
    similarity: from which share on texts are near: shingles that both have of those that either
        has (Jaccard, Broder 1997), in [0.5, 1].
    shingle: words of a shingle, 1 to 20. A text of fewer words is one shingle. Larger: a changed
        word weighs more (at 3 words and 0.8, one in the middle of a text of 29 is near).
    """

    columns: ClassVar[tuple[str, ...]] = (
        *("key", "group", "targets", "signals", "absent"),
        *(f"parts.{name}" for name in ("name", "modality", "hash", "uri", "text")),
        *(f"parts.{name}" for name in ("start_s", "end_s", "steps")),
    )

    version: ClassVar[int] = 6

    exact: Literal["merge", "group"] = "merge"
    same_targets: bool = True
    near_bits: int = BITS
    near: Literal["merge", "group"] = "group"
    sounds: bool = True
    films: bool = True
    text_words: int = 5
    near_texts: Literal["merge", "group", False] = False
    similarity: float = SIMILARITY
    shingle: int = SHINGLE

    def __post_init__(self) -> None:
        if not 0.5 <= self.similarity <= 1:
            raise ValueError(f"similarity: wanted a share in [0.5, 1], found {self.similarity}")
        if not 1 <= self.shingle <= 20:
            raise ValueError(f"shingle: wanted 1 to 20 words, found {self.shingle}")

    def measures(self) -> tuple[str, ...]:
        return tuple(kind.name for kind in every_on_disk())

    def compares(self) -> tuple[str, ...]:
        return (
            ("image",) * bool(self.near_bits) + ("audio",) * self.sounds + ("video",) * self.films
        )

    def mistakes(self, here: Contents) -> list[str]:
        return here.too_late("it makes groups of records")

    def kept(self, piece: pa.Table) -> pa.Table:
        rows = rows_of(piece, "parts", "targets", "signals", "absent")
        looked_at = [self._look_at(*row) for row in rows]
        columns = {
            field.name: pa.array([getattr(own, field.name) for own in looked_at], field.type)
            for field in _KEPT
        }
        return pa.table({"key": piece["key"], "group": piece["group"], **columns})

    def decide(self, table: pa.Table, likeness: Likeness | None = None) -> dict[str, Decision]:
        seen = _Seen(table)
        sets = _Sets(table["key"], table["group"])
        first = sets.first_alike(seen.content)
        for row in sets.in_order(np.flatnonzero(first != np.arange(len(first))).tolist()):
            kept = int(first[row])
            sets.unite(kept, row, "content")
            if self.exact == "merge":
                message = f"its parts are the same as those of {sets.key(kept)}"
                sets.merge(row, kept, "content", Fault("duplicate", sets.key(kept), None, message))
        by_medium: dict[str, int] = {}
        for row in sets.in_order(seen.media):
            if not sets.is_merged(row):
                for medium in seen.media[row].contents:
                    sets.unite(by_medium.setdefault(medium, row), row, "bytes")
        first = sets.first_alike(seen.words)
        for row in np.flatnonzero(first != np.arange(len(first))).tolist():
            if not sets.is_merged(row):
                sets.unite(int(first[row]), row, "text")
        if self.near_bits:
            self._unite_pictures(seen.media, sets, likeness)
        if self.near_texts:
            self._unite_texts(seen, sets)
        if self.sounds and likeness is not None:
            self._unite_sounds(seen.media, by_medium, sets, likeness)
        if self.films and likeness is not None:
            self._unite_films(seen.media, by_medium, sets, likeness)
        return sets.decisions()

    def _look_at(
        self,
        parts: Sequence[_PartRow],
        targets: str,
        signals: list[tuple[str, float]] | None,
        absent: list[tuple[str, str]] | None,
    ) -> _LookedAt:
        """What a record is compared by."""
        # A part that was named and is not there, or could not be used, is not the same as another
        # one.
        is_whole = all(why == "absent" for _, why in absent or ())
        targets = targets if self.same_targets else ""
        content = _content(parts, targets) if is_whole else None
        has_media = any(part["hash"] is not None for part in parts)
        words = _words_alone(parts, self.text_words or (1 if self.near_texts else 0))
        labels = repr(([part["name"] for part in parts], targets)) if is_whole else ""
        return _LookedAt(
            content=None if content is None else _digest(content),
            words=_digest(words) if words else None,
            media=_media(parts, targets, dict(signals or ()), is_whole) if has_media else None,
            text=words if words and self.near_texts else None,
            labels=labels if words and self.near_texts else None,
        )

    def _unite_pictures(
        self, media: Mapping[int, _Media], sets: _Sets, likeness: Likeness | None
    ) -> None:
        """Unite the records whose images look the same."""
        # equal bytes are equal pictures, and are looked at once
        by_image: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row in sets.in_order(media):
            if not sets.is_merged(row):
                for picture in dict.fromkeys(media[row].pictures):
                    by_image[picture].append(row)
        contents, pictures = list(by_image), list(by_image.values())
        hashes = np.array([phash for _, phash in contents], np.uint64)

        def of(number: int) -> np.ndarray | None:
            return None if likeness is None else likeness(contents[number][0], "image")

        united = look_alikes(hashes, self.near_bits, of)
        for one, other, bits in united.edges:
            sets.unite(pictures[one][0], pictures[other][0], "look-alike", bits)
        if self.near == "group":
            return
        # those of one file look alike as well, though no edge says so
        for numbers in united.all_sets():
            of_one = {
                row: number
                for number in numbers
                for row in pictures[number]
                if media[row].has_one_image
            }
            kept: dict[bytes, int] = {}
            for row in sets.in_order(of_one):
                # other words or labels are other records, and so may be one that lacks a part
                beside = media[row].beside
                first = kept.setdefault(beside, row) if beside else row
                if first == row:
                    continue
                pair = [of_one[first], of_one[row]]
                # through others they may be of one set and no pair
                if pair[0] != pair[1] and not _is_pair(hashes[pair], self.near_bits, of, pair):
                    continue
                bits = int(hashes[pair[0]] ^ hashes[pair[1]]).bit_count()
                message = (
                    f"its image looks the same as that of {sets.key(first)} ({bits} of 64 bits"
                    " differ)"
                )
                fault = Fault("near_duplicate", bits, self.near_bits, message)
                sets.merge(row, first, "look-alike", fault, bits)

    def _unite_texts(self, seen: _Seen, sets: _Sets) -> None:
        """Unite the records of texts alone that are near."""
        by_words: dict[str, list[int]] = defaultdict(list)
        for row in sets.in_order(seen.texts):
            if not sets.is_merged(row):
                by_words[seen.texts[row]].append(row)
        texts = list(by_words.values())
        united = near_texts(list(by_words), self.similarity, self.shingle)
        for one, other, distance in united.edges:
            sets.unite(texts[one][0], texts[other][0], "near-text", distance)
        if self.near_texts != "merge":
            return
        # those of the same words are near as well, though no edge says so
        for numbers in united.all_sets():
            kept: dict[str, int] = {}
            for row in sets.in_order(row for number in numbers for row in texts[number]):
                # other labels are other records, and so may be one that lacks a part
                labels = seen.labels[row]
                first = kept.setdefault(labels, row) if labels else row
                if first == row:
                    continue
                share = jaccard(seen.texts[first], seen.texts[row], self.shingle)
                if share < self.similarity:
                    continue
                message = (
                    f"its text is near that of {sets.key(first)} ({share:.0%} of the shingles of"
                    " either are in both)"
                )
                fault = Fault("near_duplicate", share, self.similarity, message)
                sets.merge(row, first, "near-text", fault, 1 - share)

    def _unite_sounds(
        self,
        media: Mapping[int, _Media],
        by_medium: Mapping[str, int],
        sets: _Sets,
        likeness: Likeness,
    ) -> None:
        """Unite the records of recordings that are one."""
        every = (content for row in sets.in_order(media) for content in media[row].sounds)
        prints = {
            content: likeness(content, "audio")
            for content in dict.fromkeys(every)
            if content in by_medium
        }
        heard = {content: own for content, own in prints.items() if own is not None}
        contents = list(heard)
        for first, other, errors in sound_alikes(list(heard.values())):
            sets.unite(by_medium[contents[first]], by_medium[contents[other]], "recording", errors)

    def _unite_films(
        self,
        media: Mapping[int, _Media],
        by_medium: Mapping[str, int],
        sets: _Sets,
        likeness: Likeness,
    ) -> None:
        """Unite the records of films that are one."""
        every = (content for row in sets.in_order(media) for content in media[row].films)
        contents = [
            content
            for content in dict.fromkeys(every)
            if content in by_medium and likeness(content, "video") is not None
        ]

        def sketch(number: int) -> Sketch:
            # they are large, and not kept
            kept = likeness(contents[number], "video")
            assert kept is not None
            return Sketch.from_array(kept)

        for one, other, apart in film_alikes(len(contents), sketch):
            sets.unite(by_medium[contents[one]], by_medium[contents[other]], "film", apart)


def _is_pair(
    hashes: np.ndarray, bits: int, of: Callable[[int], np.ndarray | None], numbers: Sequence[int]
) -> bool:
    """Whether two pictures of these numbers look alike themselves."""
    return bool(look_alikes(hashes, bits, lambda place: of(numbers[place])).edges)


class _PartRow(TypedDict):
    """What is compared of a part, as a work table has it."""

    name: str
    modality: str
    hash: str | None
    uri: str | None
    text: str | None
    start_s: float | None
    end_s: float | None
    steps: list[dict[str, str]]


class _Media(NamedTuple):
    """What a record with media is compared by: the hashes of them; the content hash and the
    perceptual hash of each image, and whether it has no more than one; a digest of what stands
    beside the images, None where it is not known; the hashes of its sounds and of its films.
    """

    contents: list[str]
    pictures: list[tuple[str, int]]
    has_one_image: bool
    beside: bytes | None
    sounds: list[str]
    films: list[str]


class _LookedAt(NamedTuple):
    """What a record is compared by: digests of all that it holds and of its words, where it is
    nothing but text; its media; and, for near texts alone, the words themselves, and the names of
    its parts with the targets, empty where a part is missing.
    """

    content: bytes | None
    words: bytes | None
    media: dict[str, object] | None
    text: str | None
    labels: str | None


# the same as columns
_DIGEST = pa.binary(16)
_HASHES = pa.list_(pa.string())
_MEDIA = pa.struct(
    [
        ("contents", _HASHES),
        ("pictures", _HASHES),
        ("perceptual", pa.list_(pa.uint64())),
        ("has_one_image", pa.bool_()),
        ("beside", pa.binary()),
        ("sounds", _HASHES),
        ("films", _HASHES),
    ]
)
_KEPT = pa.schema(
    [
        ("content", _DIGEST),
        ("words", _DIGEST),
        ("media", _MEDIA),
        ("text", pa.string()),
        ("labels", pa.string()),
    ]
)


class _Seen:
    """What records are compared by, by row: a few bytes of each, and more of those with media.

    content, words: ``uint64 [N, 2]``, 0 where there is none. media, texts, labels: of the rows that
        have them.
    """

    def __init__(self, table: pa.Table) -> None:
        self.content, self.words = (_digests(table[name]) for name in ("content", "words"))
        self.media: dict[int, _Media] = {}
        for row, own in _there(table["media"]):
            pictures = zip(own.pop("pictures"), own.pop("perceptual"), strict=True)
            self.media[row] = _Media(pictures=list(pictures), **own)
        self.texts: dict[int, str] = dict(_there(table["text"]))
        self.labels: dict[int, str] = dict(_there(table["labels"]))


# Any: what the column holds
def _there(column: pa.ChunkedArray) -> Iterator[tuple[int, Any]]:
    """The rows that have a value, and it."""
    begin = 0
    for chunk in column.chunks:
        rows = np.flatnonzero(chunk.is_valid().to_numpy(zero_copy_only=False))
        yield from zip((begin + rows).tolist(), chunk.take(pa.array(rows)).to_pylist(), strict=True)
        begin += len(chunk)


def _digests(column: pa.ChunkedArray) -> np.ndarray:
    """Digests as ``uint64 [N, 2]``; 0 for none."""
    digests = np.zeros((len(column), 2), np.uint64)
    begin = 0
    for chunk in column.chunks:
        own = np.frombuffer(chunk.buffers()[1] or b"", np.uint64).reshape(-1, 2)
        rows = slice(begin, begin + len(chunk))
        valid = chunk.is_valid().to_numpy(zero_copy_only=False)
        digests[rows][valid] = own[chunk.offset :][: len(chunk)][valid]
        begin += len(chunk)
    return digests


class _Sets:
    """Records that have something in common, by row: their groups become one, called like the first
    of them.
    """

    def __init__(self, keys: pa.ChunkedArray, groups: pa.ChunkedArray) -> None:
        self._keys = one_array(keys)
        self._rank = np.empty(len(keys), np.int64)  # of the rows by key
        self._rank[pc.sort_indices(self._keys).to_numpy()] = np.arange(len(keys))
        # numbered by name, so that the smallest number of a set is the first name
        self._group, self._names = numbered_by_name(one_array(groups))
        self._united = United(len(self._names))
        self._edges: dict[int, dict[tuple[str, str], Edge]] = defaultdict(dict)
        self._kinds: dict[int, set[str]] = defaultdict(set)
        self._faults: dict[int, Fault] = {}

    def key(self, row: int) -> str:
        """The key of a row."""
        key: str = self._keys[row].as_py()
        return key

    def in_order(self, rows: Iterable[int]) -> list[int]:
        """These rows by key."""
        return sorted(rows, key=self._rank.__getitem__)

    def first_alike(self, digests: np.ndarray) -> np.ndarray:
        """For each row the first by key that has the same digest ``int64 [N]``; itself where it has
        none.
        """
        first = np.arange(len(digests))
        rows = np.flatnonzero(digests.any(axis=1))
        high, low = digests[rows].T
        rows = rows[np.lexsort((self._rank[rows], low, high))]
        begins = np.r_[True, (digests[rows][1:] != digests[rows][:-1]).any(axis=1)][: len(rows)]
        first[rows] = rows[begins][np.cumsum(begins) - 1]
        return first

    def is_merged(self, row: int) -> bool:
        """Whether the record lives on in another."""
        return row in self._faults

    def unite(self, one: int, other: int, kind: str, distance: float = 0.0) -> None:
        """Two records have something in common; nothing new where they are of one group."""
        mine, theirs = int(self._group[one]), int(self._group[other])
        if mine == theirs:
            return
        self._united.unite(mine, theirs)
        self._kinds[mine].add(kind)
        self._kinds[theirs].add(kind)
        first, later = self.in_order((one, other))
        edge = Edge(kind, self.key(first), float(distance))
        # two records may have several media in common, of which the nearest are told
        known = self._edges[later].setdefault((kind, edge.other), edge)
        if edge.distance < known.distance:
            self._edges[later][kind, edge.other] = edge

    def merge(self, row: int, kept: int, kind: str, fault: Fault, distance: float = 0.0) -> None:
        """A record lives on in another."""
        self._faults[row] = replace(fault, fate="merged")
        other = self.key(kept)
        # in the place of what united them
        self._edges[row][kind, other] = Edge(kind, other, float(distance), merged=True)

    def decisions(self) -> dict[str, Decision]:
        """What follows, by key."""
        first = self._united.first()
        moved = np.flatnonzero(first[self._group] != self._group).tolist()
        decisions = {}
        for row in self.in_order({*moved, *self._edges, *self._faults}):
            edges = tuple(self._edges[row].values()) if row in self._edges else ()
            group = int(self._group[row])
            if row in self._faults:
                decision = Decision(self._faults[row], edges=edges)
            elif first[group] != group:
                common = ", ".join(sorted(KINDS[kind] for kind in self._kinds[group]))
                note = f"put into the group of others, for {common}"
                name: str = self._names[int(first[group])].as_py()
                decision = Decision(group=name, note=note, edges=edges)
            else:
                decision = Decision(edges=edges)
            decisions[self.key(row)] = decision
        return decisions


def _digest(text: str) -> bytes:
    """128 bits that are the same for no other text, and are not 0."""
    number = xxhash.xxh3_128_intdigest(text.encode("utf-8", "surrogatepass")) | 1
    return number.to_bytes(16, "little")


def _media(
    parts: Sequence[_PartRow], targets: str, signals: dict[str, float], is_whole: bool
) -> dict[str, object]:
    """What a record with media is compared by, as ``_MEDIA`` has it."""
    others = [part for part in parts if part["modality"] != "image"]
    images = [part for part in parts if part["modality"] == "image"]
    pictures = _pictures(signals, images)
    beside = _content(others, targets) if others else targets
    return {
        "contents": [part["hash"] for part in parts if part["hash"] is not None],
        "pictures": [content for content, _ in pictures],
        "perceptual": [phash for _, phash in pictures],
        "has_one_image": len(images) == 1,
        "beside": _digest(beside) if is_whole and beside is not None else None,
        **{
            f"{name}s": [
                part["hash"] for part in parts if part["modality"] == kind and part["hash"]
            ]
            for name, kind in (("sound", "audio"), ("film", "video"))
        },
    }


def _content(parts: Sequence[_PartRow], targets: str) -> str | None:
    """What makes a record the same as another; None where a part's content is not known, or there
    is no part.
    """
    pieces = []
    for part in parts:
        what = part["text"] if part["uri"] is None else part["hash"]
        if what is None:
            return None
        pieces.append(repr((part["name"], what, part["start_s"], part["end_s"], part["steps"])))
    return "\x1f".join([*pieces, targets]) if pieces else None


def _words_alone(parts: Sequence[_PartRow], least: int) -> str:
    """The words of a record that is nothing but text, as they are compared; empty for fewer."""
    if not least or not parts or any(part["modality"] != "text" for part in parts):
        return ""
    texts = [compared_words(part["text"] or "") for part in parts]
    return PART.join(texts) if sum(map(count_words, texts)) >= least else ""


def _pictures(signals: dict[str, float], images: Sequence[_PartRow]) -> list[tuple[str, int]]:
    """The content hash and the perceptual hash of each image of which both are known."""
    return [
        (image["hash"], perceptual_hash(signals, f"{image['name']}."))
        for image in images
        if image["hash"] is not None and f"{image['name']}.phash_high" in signals
    ]
