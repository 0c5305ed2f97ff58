"""Duplicates: exact ones by content become one record; near ones (images that look the same) share
a group.

A perceptual hash finds pictures that may look alike; charts, screenshots and dark frames that do
not look alike have the same ones. So what a hash finds is confirmed on thumbnails of 32 x 32
pixels, after the brightness of one was fitted to that of the other.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, Thumbnail, rows_of
from ..modality import every_on_disk

_BANDS = 4
_BLOCK = 8  # pixels of a thumbnail
_FLAT = 30.0  # variance of a thumbnail in which there is nothing to fit a gain to
_MOST_DIFFERENCE = 4.5  # grey levels of the block that differs most
_GAIN, _OFFSET = (0.8, 1.25), (-25.0, 25.0)


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
    near: ``group`` keeps near duplicates in one group; ``merge`` keeps the first of those whose
        texts and targets are equal, and groups the rest.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "parts", "targets", "signals", "absent")

    version: ClassVar[int] = 2

    exact: Literal["merge", "group"] = "merge"
    same_targets: bool = True
    near_bits: int = 8
    near: Literal["merge", "group"] = "group"

    def measures(self) -> tuple[str, ...]:
        return tuple(one.name for one in every_on_disk())

    def mistakes(self, here: Contents) -> list[str]:
        return here.too_late("it makes groups of records")

    def decide(self, table: pa.Table, thumbnail: Thumbnail | None = None) -> dict[str, Decision]:
        keys, groups = table["key"].to_pylist(), table["group"].to_pylist()
        seen = [self._seen(*row) for row in rows_of(table, "parts", "targets", "signals", "absent")]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        clusters = _Clusters(groups)
        decisions: dict[str, Decision] = {}
        first: dict[bytes, int] = {}
        by_medium: dict[str, str] = {}
        hashes: dict[int, list[int]] = defaultdict(list)
        for row in order:
            content, media, phash = seen[row][:3]
            kept = first.setdefault(content, row) if content else row
            if kept != row:
                clusters.unite(groups[kept], groups[row])
                if self.exact == "merge":
                    fault = Fault(
                        "duplicate",
                        keys[kept],
                        None,
                        f"its parts are the same as those of {keys[kept]}",
                        "merged",
                    )
                    decisions[keys[row]] = Decision(fault)
                    continue
            for medium in media:
                clusters.unite(by_medium.setdefault(medium, groups[row]), groups[row])
            if phash is not None:
                hashes[phash].append(row)
        if self.near_bits:
            alike = _Alike([one.image for one in seen], thumbnail)
            for rows in _near(hashes, self.near_bits, alike).values():
                self._together(rows, keys, groups, seen, clusters, decisions)
        for row in order:
            root = clusters.root(groups[row])
            if root != groups[row] and keys[row] not in decisions:
                decisions[keys[row]] = Decision(group=root)
        return decisions

    def _seen(
        self,
        parts: list[dict[str, Any]],
        targets: str,
        signals: list[tuple[str, float]] | None,
        absent: list[tuple[str, str]] | None,
    ) -> _Seen:
        media = [part["hash"] for part in parts if part["hash"] is not None]
        # A part that was named and is not there, or could not be used, is not the same as another
        # one.
        known = all(why == "absent" for _, why in absent or ())
        images = [part for part in parts if part["modality"] == "image"]
        image = images[0]["hash"] if len(images) == 1 else None
        targets = targets if self.same_targets else ""
        beside = (
            _content([part for part in parts if part["modality"] != "image"], targets)
            or targets.encode()
        )
        return _Seen(
            _content(parts, targets) if known else b"",
            media,
            _phash(dict(signals or ()), parts),
            image,
            beside,
        )

    def _together(
        self,
        rows: list[int],
        keys: list[str],
        groups: list[str],
        seen: list[_Seen],
        clusters: _Clusters,
        decisions: dict[str, Decision],
    ) -> None:
        kept, *others = sorted(rows, key=keys.__getitem__)
        for row in others:
            clusters.unite(groups[kept], groups[row])
            # other words or labels are other records
            if self.near == "merge" and seen[row].beside == seen[kept].beside:
                bits = ((seen[kept].phash or 0) ^ (seen[row].phash or 0)).bit_count()
                message = (
                    f"its image looks the same as that of {keys[kept]} ({bits} of 64 bits differ)"
                )
                decisions[keys[row]] = Decision(
                    Fault("near_duplicate", bits, self.near_bits, message, "merged")
                )


class _Alike:
    """Whether the images of two rows look the same; without thumbnails the hash alone decides."""

    def __init__(self, images: list[str | None], thumbnail: Thumbnail | None) -> None:
        self._images, self._thumbnail = images, thumbnail

    def __call__(self, one: int, other: int) -> bool:
        first, second = self._images[one], self._images[other]
        if self._thumbnail is None or first is None or second is None or first == second:
            return True
        a, b = self._thumbnail(first), self._thumbnail(second)
        return a is None or b is None or difference(a, b) <= _MOST_DIFFERENCE


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """By how many grey levels the 8 x 8 block that differs most differs on average, once gain and
    offset are fitted within bounds, either way.
    """
    return max(_one_way(one, other), _one_way(other, one))


def _one_way(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one.astype(np.float32), other.astype(np.float32)
    varies = float(a.var())
    if varies < _FLAT:
        return _worst_block(np.abs(a - b))
    gain = float(((a - a.mean()) * (b - b.mean())).mean()) / varies
    gain = min(_GAIN[1], max(_GAIN[0], gain))
    offset = min(_OFFSET[1], max(_OFFSET[0], float(b.mean()) - gain * float(a.mean())))
    return _worst_block(np.abs(gain * a + offset - b))


def _worst_block(apart: np.ndarray) -> float:
    apart = apart.mean(axis=2)
    height, width = apart.shape[0] // _BLOCK, apart.shape[1] // _BLOCK
    return float(apart.reshape(height, _BLOCK, width, _BLOCK).mean(axis=(1, 3)).max())


def _near(
    hashes: dict[int, list[int]], bits: int, alike: Callable[[int, int], bool]
) -> dict[int, list[int]]:
    """Rows that look the same, by a representative; only those of several."""
    parent: dict[int, int] = {row: row for rows in hashes.values() for row in rows}

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    # The rows of one hash first: each joins the first that it looks like, or stands for itself.
    standing: dict[int, list[int]] = {}
    for phash, rows in hashes.items():
        some = standing[phash] = []
        for row in rows:
            like = next((other for other in some if alike(other, row)), None)
            if like is None:
                some.append(row)
            else:
                parent[row] = like
    for one, other in near_pairs(sorted(hashes), bits):
        for first, second in itertools.product(standing[one], standing[other]):
            if root(first) != root(second) and alike(first, second):
                parent[root(second)] = root(first)
    found: dict[int, list[int]] = defaultdict(list)
    for row in parent:
        found[root(row)].append(row)
    return {row: rows for row, rows in found.items() if len(rows) > 1}


class _Seen(NamedTuple):
    """What is kept of a record: a digest of all it holds, the hashes of its media; the perceptual
    and the content hash of its only image, and a digest of what stands beside it.
    """

    content: bytes
    media: list[str]
    phash: int | None
    image: str | None
    beside: bytes


class _Clusters:
    """Union-find over group names; the root of a cluster is its smallest name."""

    def __init__(self, names: list[str]) -> None:
        self._parent = {name: name for name in names}

    def root(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = name = self._parent[self._parent[name]]
        return name

    def unite(self, one: str, other: str) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first


def _content(parts: list[dict[str, Any]], targets: str) -> bytes:
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


def _phash(signals: dict[str, float], parts: list[dict[str, Any]]) -> int | None:
    """The perceptual hash of the record's only image."""
    names = [part["name"] for part in parts if part["modality"] == "image"]
    if len(names) != 1 or f"{names[0]}.phash_high" not in signals:
        return None
    return int(signals[f"{names[0]}.phash_high"]) << 32 | int(signals[f"{names[0]}.phash_low"])


def near_pairs(hashes: list[int], bits: int) -> list[tuple[int, int]]:
    """Pairs of distinct 64-bit hashes (smaller first) that differ in at most ``bits`` bits.

    Hashes at most b bits apart share one of b + 1 bands exactly (pigeonhole), so only hashes of a
    common band are compared.
    """
    values = np.array(sorted(set(hashes)), np.uint64)
    bands = max(_BANDS, bits + 1)
    edges = np.linspace(0, 64, bands + 1).astype(int)
    found: set[tuple[int, int]] = set()
    for low, high in itertools.pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(band[order].astype(np.int64)) != 0])
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            members = values[order[start:end]]
            for position in range(len(members) - 1):
                rest = members[position + 1 :]
                close = np.bitwise_count(rest ^ members[position]) <= bits
                found.update(
                    (int(min(members[position], other)), int(max(members[position], other)))
                    for other in rest[close]
                )
    return sorted(found)
