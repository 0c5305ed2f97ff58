"""Duplicates: exact ones by content become one record; near ones (images, by perceptual hash) share a group."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from ...schemas.record import Fault, Modality
from ..base import CorpusStage, Decision, rows_of

_BANDS = 4


@dataclass(frozen=True, kw_only=True)
class Duplicates(CorpusStage):
    """Merges records whose parts are the same bytes, and keeps near-duplicate images together in one group.

    exact: ``merge`` keeps the first (by key) of records with equal parts and targets; ``group`` keeps all in one group.
    same_targets: whether the targets count; without them two records with equal parts and other labels are duplicates too.
    near_bits: images whose 64-bit perceptual hashes differ in at most this many bits are near duplicates; 0 turns it off.
    near: what happens to near duplicates.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "parts", "targets", "signals")

    needs: ClassVar[tuple[Modality, ...]] = ("image", "audio", "video")

    exact: Literal["merge", "group"] = "merge"
    same_targets: bool = True
    near_bits: int = 4
    near: Literal["merge", "group"] = "group"

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        keys, groups = table["key"].to_pylist(), table["group"].to_pylist()
        seen = [self._seen(*row) for row in rows_of(table, "parts", "targets", "signals")]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        clusters = _Clusters(groups)
        decisions: dict[str, Decision] = {}
        first: dict[bytes, int] = {}
        by_medium: dict[str, str] = {}
        hashes: dict[int, list[int]] = defaultdict(list)
        for row in order:
            content, media, phash = seen[row]
            kept = first.setdefault(content, row) if content else row
            if kept != row:
                clusters.unite(groups[kept], groups[row])
                if self.exact == "merge":
                    fault = Fault("duplicate", keys[kept], None, f"its parts are the same as those of {keys[kept]}", "merged")
                    decisions[keys[row]] = Decision(fault)
                    continue
            for medium in media:
                clusters.unite(by_medium.setdefault(medium, groups[row]), groups[row])
            if phash is not None:
                hashes[phash].append(row)
        for one, other in near_pairs(sorted(hashes), self.near_bits) if self.near_bits else []:
            self._near(one, other, hashes, keys, groups, clusters, decisions)
        for row in order:
            root = clusters.root(groups[row])
            if root != groups[row] and keys[row] not in decisions:
                decisions[keys[row]] = Decision(group=root)
        return decisions

    def _seen(self, parts: list[dict[str, Any]], targets: str, signals: list[tuple[str, float]] | None) -> _Seen:
        media = [part["hash"] for part in parts if part["hash"] is not None]
        return _Seen(_content(parts, targets if self.same_targets else ""), media, _phash(dict(signals or ()), parts))

    def _near(
        self,
        one: int,
        other: int,
        hashes: dict[int, list[int]],
        keys: list[str],
        groups: list[str],
        clusters: _Clusters,
        decisions: dict[str, Decision],
    ) -> None:
        kept = hashes[one][0]
        for row in hashes[other]:
            clusters.unite(groups[kept], groups[row])
            if self.near == "merge" and keys[row] not in decisions and keys[kept] not in decisions:
                bits = (one ^ other).bit_count()
                fault = Fault("near_duplicate", bits, self.near_bits, f"its image differs from that of {keys[kept]} in {bits} of 64 bits", "merged")
                decisions[keys[row]] = Decision(fault)


class _Seen(NamedTuple):
    """What is kept of a record: a digest of all it holds, the hashes of its media, the perceptual hash of its image."""

    content: bytes
    media: list[str]
    phash: int | None


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
        what = part["text"] if part["modality"] == "text" else part["hash"]
        if what is None:
            return b""
        pieces.append(repr((part["name"], what, part["start_s"], part["end_s"], part["steps"])))
    return hashlib.blake2b("\x1f".join([*pieces, targets]).encode(), digest_size=16).digest() if pieces else b""


def _phash(signals: dict[str, float], parts: list[dict[str, Any]]) -> int | None:
    """The perceptual hash of the record's only image."""
    names = [part["name"] for part in parts if part["modality"] == "image"]
    if len(names) != 1 or f"{names[0]}.phash_high" not in signals:
        return None
    return int(signals[f"{names[0]}.phash_high"]) << 32 | int(signals[f"{names[0]}.phash_low"])


def near_pairs(hashes: list[int], bits: int) -> list[tuple[int, int]]:
    """Pairs of distinct 64-bit hashes (smaller first) that differ in at most ``bits`` bits.

    Hashes at most b bits apart share one of b + 1 bands exactly (pigeonhole), so only hashes of a common band are compared.
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
                found.update((int(min(members[position], other)), int(max(members[position], other))) for other in rest[close])
    return sorted(found)
