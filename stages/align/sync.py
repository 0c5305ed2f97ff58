"""Sound and pictures in step: by how much a sound lies behind its film, measured from how much
happens in each over time, and moved where that is sure.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ...schemas.columns import one_array
from ...schemas.contents import Contents
from ...schemas.fingerprint import canonical, random_for, uniform_for
from ...schemas.json_value import JsonValue
from ...schemas.manifest import MANIFEST_SCHEMA, records_of
from ...schemas.record import Record
from ..base import RecordStage, TracksOf, no_tracks, rows_of
from ..modality import modality
from ._stretches import STRETCH_S, Strangers, Stretch, middle, stretches_of
from ._synchrony import HOP_S, Offset, correlations, offset_of_pool, permutations

RECORD, GROUP = "record", "group"
IN_STEP_S = 0.04  # smaller offsets are none
_MOST_STRETCHES = 64  # of a pool
_ENOUGH_STRETCHES = 6  # to be one another's strangers
_STRANGERS = 256  # sounds kept of the corpus, for pools that are smaller
_DRAWS = 999
_BEYOND_S = 0.16  # searched further than what is accepted, so that a peak at the edge is told
_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class Sync(RecordStage):
    """Tells by how much a sound is late against its film, or early, and how sure that is; with
    ``correct`` it is moved there.

    video, audio: names of the two parts; the sound may be that of the film's own file or of another
        one that was recorded beside it.
    pool: records that have one offset, for they were made alike: those of a ``group``, those of one
        value of a target (the camera, the session), or each ``record`` for itself. Of a talker 24 s
        are needed, and clips of a few seconds want pools.
    max_shift_s: offsets are looked for from minus to plus this.
    confidence: what is less sure is unknown. It is 1 - p of a permutation test, in which the same
        pictures are held against the sounds of their own pool in another order, or where it has
        less than six stretches of 3 s against those of others of the corpus, of which there must be
        a hundred for 0.99.
    correct: the sound is moved by an offset of 40 ms or more that is sure; what one of both then
        lacks at either end is cut from all parts of the record that have a time. Words keep the
        clock of the film.

    How loud the sound is, and how much moves where the picture changes most, are kept when they are
    measured; nothing is decoded. Signals of the sound: ``sync_confidence``, and where it is enough
    ``sync_offset_s`` (above 0: the sound is late) and, of one recording of 40 s or more,
    ``sync_drift`` (seconds a second) where the sound drifts. What is unknown stays as it is, and so
    does what drifts, for which a move is no cure. Offsets are told in steps of 20 ms.
    """

    fitted_on: ClassVar[tuple[str, ...]] = tuple(MANIFEST_SCHEMA.names)

    video: str
    audio: str
    pool: str = GROUP
    max_shift_s: float = 0.5
    confidence: float = 0.99
    correct: bool = False

    def __post_init__(self) -> None:
        if not HOP_S <= self.max_shift_s <= STRETCH_S:
            raise ValueError(
                f"max_shift_s: wanted {HOP_S} to {STRETCH_S:g} seconds, found {self.max_shift_s:g}"
            )
        surest = 1 - 1 / (1 + _DRAWS)
        if not 0 < self.confidence <= surest:
            raise ValueError(
                f"confidence: wanted a number above 0, and {surest:g} at most, which is as sure as"
                f" can be told, found {self.confidence:g}"
            )

    def measures(self) -> tuple[str, ...]:
        return ("audio", "video")

    def mistakes(self, here: Contents) -> list[str]:
        lines = here.lacking_parts("video", [self.video], "video")
        lines += here.lacking_parts("audio", [self.audio], "audio")
        if self.pool not in (RECORD, GROUP):
            lines += here.lacking_targets("pool", [self.pool])
        return lines

    def needs_fit(self) -> bool:
        return True

    def fitted(self, table: pa.Table, tracks: TracksOf = no_tracks) -> RecordStage:
        pooled, others = self._chosen(table)
        strangers = [
            stretch
            for record in _records_at(table, others)
            for stretch in self._stretches(record, tracks, _ENOUGH_STRETCHES)
        ]
        known = Strangers.of(strangers[:_STRANGERS])
        found = {
            pool: self._judged(pool, self._pooled(records, tracks), known)
            for pool, records in itertools.groupby(_records_at(table, pooled), self.pool_of)
        }
        options = {each.name: getattr(self, each.name) for each in fields(Sync)}
        return _FittedSync(**options, found=found, strangers=known)

    def _chosen(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """The rows of pools of several records, those of a pool together, and rows of strangers for
        the others, of one pool where it has several: those with the smallest hashes, whatever the
        order of the records.
        """
        has_both = np.flatnonzero(_has(table, self.video) & _has(table, self.audio))
        names = self._pools(table.select(["key", "group", "targets"]).take(has_both))
        ranks = np.fromiter((uniform_for(0, "sync", word) for word in names), np.float64)
        of_pool, own = ranks[::2], ranks[1::2]
        order = np.lexsort((own, of_pool))
        _, firsts, sizes = np.unique(of_pool[order], return_index=True, return_counts=True)
        place = np.arange(len(order)) - np.repeat(firsts, sizes)
        is_pooled = (np.repeat(sizes, sizes) > 1) & (place < _MOST_STRETCHES)
        rows = has_both[order]
        return rows[is_pooled if self.pool != RECORD else []], rows[:_STRANGERS]

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        found = self._found(record, tracks)
        if found is None:
            return (record,)
        signals = {"sync_confidence": found.confidence}
        if found.confidence >= self.confidence:
            signals["sync_offset_s"] = found.offset_s
            if found.drift:
                signals["sync_drift"] = found.drift
        own = {f"{self.audio}.{word}": value for word, value in signals.items()}
        result = replace(record, signals={**record.signals, **own})
        offset = signals.get("sync_offset_s", 0.0)
        if self.correct and not found.drift and not _is_in_step(offset):
            result = self._moved(result, offset)
        return (result,)

    def outcome(self, result: Record, before: Record) -> str:
        if self.audio not in result.parts or self.video not in result.parts:
            return ""
        if f"{self.audio}.sync_confidence" not in result.signals:
            return "too short, damaged or with too few others to tell whether in step"
        offset = result.signals.get(f"{self.audio}.sync_offset_s")
        if offset is None:
            return "unknown whether in step"
        if f"{self.audio}.sync_drift" in result.signals:
            return "drifting, left as they are"
        if _is_in_step(offset):
            return "in step"
        return "out of step, moved" if self.correct else "out of step, left as they are"

    def _found(self, record: Record, tracks: TracksOf) -> Offset | None:
        """What is found of a record; None where nothing can be. Nothing before all were seen."""
        return None

    def pool_of(self, record: Record) -> str:
        """The name of the pool of a record; one that has no value is its own."""
        return self._pool(record.key, record.group, record.targets)

    def _pools(self, table: pa.Table) -> Iterator[str]:
        """The same for rows, each followed by the record's key."""
        reads = self.pool not in (RECORD, GROUP)
        for key, group, targets in rows_of(table, "key", "group", "targets"):
            yield self._pool(key, group, json.loads(targets) if reads else {})
            yield key

    def _pool(self, key: str, group: str, targets: Mapping[str, JsonValue]) -> str:
        if self.pool == GROUP:
            return f"group {group}"
        value = targets.get(self.pool) if self.pool != RECORD else None
        return f"record {key}" if value is None else f"value {canonical(value)}"

    def _pooled(self, records: Iterable[Record], tracks: TracksOf) -> list[Stretch]:
        """The stretches of a pool, none of them twice, in the order of the records."""
        pooled: dict[tuple[object, ...], Stretch] = {}
        for record in records:
            for stretch in self._stretches(record, tracks, _MOST_STRETCHES):
                pooled.setdefault(stretch.seen + stretch.heard, stretch)
            if len(pooled) >= _MOST_STRETCHES:
                break
        return list(pooled.values())[:_MOST_STRETCHES]

    def _stretches(self, record: Record, tracks: TracksOf, most: int) -> list[Stretch]:
        video, audio = record.parts[self.video], record.parts[self.audio]
        return stretches_of(video, audio, tracks, most, self._lags() // 2)

    def _lags(self) -> int:
        """How many lags are looked at."""
        return 2 * round((self.max_shift_s + _BEYOND_S) / HOP_S) + 1

    def _judged(
        self, pool: str, stretches: Sequence[Stretch], strangers: Strangers
    ) -> Offset | None:
        """What is found of a pool; None where it has nothing, or nobody to compare it with."""
        if not stretches:
            return None
        count = len(stretches)
        width = min(len(stretch.level) for stretch in stretches)
        level = np.stack([middle(stretch.level, width) for stretch in stretches])
        motion = np.stack([stretch.motion for stretch in stretches])
        rng = random_for(0, self.address, pool)
        middles = None
        if count >= _ENOUGH_STRETCHES:
            draws = permutations(count, _DRAWS, rng)
            # records that are pooled need not drift alike
            if len({stretch.seen[0] for stretch in stretches}) == 1:
                middles = np.array([stretch.middle_s for stretch in stretches])
        else:
            foreign = strangers.foreign_to({stretch.heard[0] for stretch in stretches})
            if len(foreign) <= count:
                return None
            width = min(width, foreign.shape[1])
            level = np.concatenate([middle(level, width), middle(foreign, width)])
            # sounds in a row, from each of them on
            rows = np.arange(len(foreign))[:, None] + np.arange(count)
            draws = count + rows % len(foreign)
        if 1 - 1 / (1 + len(draws)) < self.confidence:
            return None
        found = offset_of_pool(correlations(motion, level), draws, self._lags(), rng, middles)
        lies_beyond = abs(found.offset_s) > self.max_shift_s + HOP_S / 2
        return Offset(0.0, 0.0) if lies_beyond else found

    def _moved(self, record: Record, offset_s: float) -> Record:
        """The record with the sound moved by an offset."""
        video, audio = record.parts[self.video], record.parts[self.audio]
        begin = (audio.start_s or 0.0) + offset_s
        skip = max(0.0, -begin)
        begin += skip
        end = (audio.start_s or 0.0) + offset_s + (audio.seconds() or 0.0)
        end = min(end, audio.duration_s or 0.0)
        length = min((video.seconds() or 0.0) - skip, end - begin)
        parts = {
            name: modality(part.modality).cut(part, skip, skip + length)
            for name, part in record.parts.items()
        }
        parts[self.audio] = replace(audio, start_s=begin, end_s=begin + length)
        return replace(record, parts=parts)


def _is_in_step(offset_s: float) -> bool:
    return abs(offset_s) < IN_STEP_S - HOP_S / 2


def _has(table: pa.Table, part: str) -> np.ndarray:
    """Which records have a part, ``bool [N]``."""
    lists = one_array(table["parts"])
    here = pa.compute.equal(lists.flatten().field("name"), part)
    has = np.zeros(len(table), bool)
    has[pa.compute.list_parent_indices(lists).filter(here).to_numpy()] = True
    return has


def _records_at(table: pa.Table, rows: np.ndarray) -> Iterator[Record]:
    """The records of these rows in their order, some at a time in memory."""
    batches = table.to_batches()
    ends = np.cumsum([len(batch) for batch in batches])
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        of_batch = np.searchsorted(ends, some, side="right")
        # of each batch by itself: a take from all of them would copy all of them
        pieces = [
            batches[number].take(some[of_batch == number] - ends[number] + len(batches[number]))
            for number in np.unique(of_batch)
        ]
        order = np.argsort(np.argsort(of_batch, kind="stable"))
        yield from records_of(pa.Table.from_batches(pieces).combine_chunks().take(order))


_NOBODY = Strangers(np.empty((0, 0), np.float32), ())


@dataclass(frozen=True, kw_only=True)
class _FittedSync(Sync):
    """The stage after it saw all records. found: of the pools of several records. strangers: whom
    the others are held against.
    """

    found: Mapping[str, Offset | None] = field(default_factory=dict)
    strangers: Strangers = _NOBODY

    def _found(self, record: Record, tracks: TracksOf) -> Offset | None:
        if self.audio not in record.parts or self.video not in record.parts:
            return None
        pool = self.pool_of(record)
        if pool in self.found:
            return self.found[pool]
        stretches = self._stretches(record, tracks, _MOST_STRETCHES)
        return self._judged(pool, stretches, self.strangers) if stretches else None
