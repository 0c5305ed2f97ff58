"""Duplicates: exact ones by content become one record; near ones (images that look the same,
recordings that are one, texts that share their words) share a group.

A perceptual hash finds pictures that may look alike; charts, screenshots and dark frames that do
not look alike have the same ones. So what a hash finds is confirmed on thumbnails of 32 x 32
pixels, after the brightness of one was fitted to that of the other.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, TypedDict

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.record import Fault
from ...schemas.united import United
from ..base import CorpusStage, Decision, Edge, Likeness, rows_of
from ..media.fingerprint import sound_alikes
from ..media.lookalikes import BITS, look_alikes
from ..modalities.image.measure import perceptual_hash
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
        thumbnails look the same, are near duplicates: recompressed, scaled, a little brighter. 0
        turns it off.
    sounds: recordings that are one by their fingerprints (compressed, resampled, louder, a piece of
        at least half the shorter one) keep their records in one group.
    text_words: records of texts alone keep in one group where they have the same words, but for
        case, punctuation and spacing, and at least so many of them. 0 turns it off.
    near: ``group`` keeps near duplicates in one group; ``merge`` keeps the first of those whose
        texts and targets are equal, and groups the rest. Of images; texts have ``near_texts``.
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

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "parts", "targets", "signals", "absent")

    version: ClassVar[int] = 3

    exact: Literal["merge", "group"] = "merge"
    same_targets: bool = True
    near_bits: int = BITS
    near: Literal["merge", "group"] = "group"
    sounds: bool = True
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
        return ("image",) * bool(self.near_bits) + ("audio",) * self.sounds

    def mistakes(self, here: Contents) -> list[str]:
        return here.too_late("it makes groups of records")

    def decide(self, table: pa.Table, likeness: Likeness | None = None) -> dict[str, Decision]:
        seen = [self._seen(*row) for row in rows_of(table, "parts", "targets", "signals", "absent")]
        sets = _Sets(table["key"].to_pylist(), table["group"].to_pylist())
        first: dict[bytes, int] = {}
        by_medium: dict[str, int] = {}
        by_words: dict[str, list[int]] = defaultdict(list)
        hashed: list[int] = []
        for row in sets.order:
            content, media, phash, words = seen[row][:4]
            kept = first.setdefault(content, row) if content else row
            if kept != row:
                sets.unite(kept, row, "content")
                if self.exact == "merge":
                    message = f"its parts are the same as those of {sets.keys[kept]}"
                    sets.merge(
                        row, kept, "content", Fault("duplicate", sets.keys[kept], None, message)
                    )
                    continue
            for medium in media:
                sets.unite(by_medium.setdefault(medium, row), row, "bytes")
            if words:
                by_words[words].append(row)
                sets.unite(by_words[words][0], row, "text")
            if phash is not None:
                hashed.append(row)
        if self.near_bits:
            self._unite_pictures(hashed, seen, sets, likeness)
        if self.near_texts:
            self._unite_texts(by_words, seen, sets)
        if self.sounds and likeness is not None:
            self._unite_sounds([seen[row].sounds for row in sets.order], by_medium, sets, likeness)
        return sets.decisions()

    def _seen(
        self,
        parts: Sequence[_PartRow],
        targets: str,
        signals: list[tuple[str, float]] | None,
        absent: list[tuple[str, str]] | None,
    ) -> _Seen:
        media = [part["hash"] for part in parts if part["hash"] is not None]
        # A part that was named and is not there, or could not be used, is not the same as another
        # one.
        is_whole = all(why == "absent" for _, why in absent or ())
        images = [part for part in parts if part["modality"] == "image"]
        image = images[0]["hash"] if len(images) == 1 else None
        targets = targets if self.same_targets else ""
        beside = (
            _content([part for part in parts if part["modality"] != "image"], targets)
            or targets.encode()
        )
        return _Seen(
            _content(parts, targets) if is_whole else b"",
            media,
            _phash(dict(signals or ()), parts),
            _words_alone(parts, self.text_words or (1 if self.near_texts else 0)),
            image,
            beside,
            [part["hash"] for part in parts if part["modality"] == "audio" and part["hash"]],
            repr(([part["name"] for part in parts], targets)) if is_whole else "",
        )

    def _unite_pictures(
        self, rows: list[int], seen: list[_Seen], sets: _Sets, likeness: Likeness | None
    ) -> None:
        """Unite the records whose images look the same."""
        # equal bytes are equal pictures, and are looked at once
        by_image: dict[str | int, list[int]] = defaultdict(list)
        for row in rows:
            by_image[seen[row].image or row].append(row)
        pictures = list(by_image.values())
        hashes = np.array([seen[same[0]].phash for same in pictures], np.uint64)

        def of(number: int) -> np.ndarray | None:
            image = seen[pictures[number][0]].image
            return None if likeness is None or image is None else likeness(image)

        united = look_alikes(hashes, self.near_bits, of)
        for one, other, bits in united.edges:
            sets.unite(pictures[one][0], pictures[other][0], "look-alike", bits)
        if self.near == "group":
            return
        # those of one file look alike as well, though no edge says so
        for numbers in united.all_sets():
            alike = sets.in_order(pictures[number] for number in numbers)
            for row in alike[1:]:
                kept = alike[0]
                # other words or labels are other records
                if seen[row].beside != seen[kept].beside:
                    continue
                bits = ((seen[kept].phash or 0) ^ (seen[row].phash or 0)).bit_count()
                message = (
                    f"its image looks the same as that of {sets.keys[kept]} ({bits} of 64 bits"
                    " differ)"
                )
                fault = Fault("near_duplicate", bits, self.near_bits, message)
                sets.merge(row, kept, "look-alike", fault, bits)

    def _unite_texts(self, by_words: dict[str, list[int]], seen: list[_Seen], sets: _Sets) -> None:
        """Unite the records of texts alone that are near."""
        texts = list(by_words.values())
        united = near_texts(list(by_words), self.similarity, self.shingle)
        for one, other, distance in united.edges:
            sets.unite(texts[one][0], texts[other][0], "near-text", distance)
        if self.near_texts != "merge":
            return
        # those of the same words are near as well, though no edge says so
        for numbers in united.all_sets():
            kept: dict[str, int] = {}
            for row in sets.in_order(texts[number] for number in numbers):
                # other labels are other records, and so may be one that lacks a part
                first = kept.setdefault(seen[row].labels, row) if seen[row].labels else row
                if first == row:
                    continue
                share = jaccard(seen[first].words, seen[row].words, self.shingle)
                if share < self.similarity:
                    continue
                message = (
                    f"its text is near that of {sets.keys[first]} ({share:.0%} of the shingles of"
                    " either are in both)"
                )
                fault = Fault("near_duplicate", share, self.similarity, message)
                sets.merge(row, first, "near-text", fault, 1 - share)

    def _unite_sounds(
        self,
        sounds: list[list[str]],
        by_medium: dict[str, int],
        sets: _Sets,
        likeness: Likeness,
    ) -> None:
        """Unite the records of recordings that are one."""
        distinct = list(dict.fromkeys(itertools.chain.from_iterable(sounds)))
        prints = {content: likeness(content) for content in distinct if content in by_medium}
        heard = [content for content, own in prints.items() if own is not None]
        for first, other, errors in sound_alikes([prints[content] for content in heard]):  # type: ignore[misc]
            sets.unite(by_medium[heard[first]], by_medium[heard[other]], "recording", errors)


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


class _Seen(NamedTuple):
    """What is kept of a record: a digest of all it holds, the hashes of its media; the perceptual
    hash of its only image, its words where it is nothing but text; the content hash of that image,
    a digest of what stands beside it, and the hashes of its sounds; the names of its parts and its
    targets, empty where a part is missing.
    """

    content: bytes
    media: list[str]
    phash: int | None
    words: str
    image: str | None
    beside: bytes
    sounds: list[str]
    labels: str


class _Sets:
    """Records that have something in common, by row: their groups become one, called like the first
    of them.

    order: the rows by key.
    """

    def __init__(self, keys: list[str], groups: list[str]) -> None:
        self.keys = keys
        self.order = sorted(range(len(keys)), key=keys.__getitem__)
        self._groups = groups
        self._names = sorted(set(groups))
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._united = United(len(self._names))
        self._edges: dict[int, list[Edge]] = defaultdict(list)
        self._kinds: dict[str, set[str]] = defaultdict(set)
        self._faults: dict[int, Fault] = {}

    def in_order(self, rows: Iterable[list[int]]) -> list[int]:
        """All of these rows by key."""
        return sorted(itertools.chain.from_iterable(rows), key=self.keys.__getitem__)

    def unite(self, one: int, other: int, kind: str, distance: float = 0.0) -> None:
        """Two records have something in common; nothing new where they are of one group."""
        mine, theirs = self._groups[one], self._groups[other]
        if mine == theirs:
            return
        self._united.unite(self._numbers[mine], self._numbers[theirs])
        self._kinds[mine].add(kind)
        self._kinds[theirs].add(kind)
        first, later = sorted((one, other), key=self.keys.__getitem__)
        self._edges[later].append(Edge(kind, self.keys[first], float(distance)))

    def merge(self, row: int, kept: int, kind: str, fault: Fault, distance: float = 0.0) -> None:
        """A record lives on in another."""
        self._faults[row] = replace(fault, fate="merged")
        edge = Edge(kind, self.keys[kept], float(distance))
        # it may be what united them
        self._edges[row] = [other for other in self._edges[row] if other != edge]
        self._edges[row].append(replace(edge, merged=True))

    def decisions(self) -> dict[str, Decision]:
        """What follows, by key."""
        first = self._united.first().tolist()
        decisions = {}
        for row in self.order:
            group, edges = self._groups[row], tuple(self._edges.get(row, ()))
            name = self._names[first[self._numbers[group]]]
            if row in self._faults:
                decision = Decision(self._faults[row], edges=edges)
            elif name != group:
                common = ", ".join(sorted(KINDS[kind] for kind in self._kinds[group]))
                note = f"put into the group of others, for {common}"
                decision = Decision(group=name, note=note, edges=edges)
            elif edges:
                decision = Decision(edges=edges)
            else:
                continue
            decisions[self.keys[row]] = decision
        return decisions


def _content(parts: Sequence[_PartRow], targets: str) -> bytes:
    """What makes a record the same as another; empty where a part's content is not known."""
    pieces = []
    for part in parts:
        what = part["text"] if part["uri"] is None else part["hash"]
        if what is None:
            return b""
        pieces.append(repr((part["name"], what, part["start_s"], part["end_s"], part["steps"])))
    return (
        hashlib.blake2b("\x1f".join([*pieces, targets]).encode(), digest_size=16).digest()
        if pieces
        else b""
    )


def _words_alone(parts: Sequence[_PartRow], least: int) -> str:
    """The words of a record that is nothing but text, as they are compared; empty for fewer."""
    if not least or not parts or any(part["modality"] != "text" for part in parts):
        return ""
    texts = [compared_words(part["text"] or "") for part in parts]
    return PART.join(texts) if sum(map(count_words, texts)) >= least else ""


def _phash(signals: dict[str, float], parts: Sequence[_PartRow]) -> int | None:
    """The perceptual hash of the record's only image."""
    names = [part["name"] for part in parts if part["modality"] == "image"]
    if len(names) != 1 or f"{names[0]}.phash_high" not in signals:
        return None
    return perceptual_hash(signals, f"{names[0]}.")
