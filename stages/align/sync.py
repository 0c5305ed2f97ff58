"""Sound and pictures in step: by how much a sound lies behind its film, measured from how much
happens in each over time, and moved where that is sure.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.fingerprint import random_for, uniform_for
from ...schemas.json_value import JsonValue
from ...schemas.manifest import MANIFEST_SCHEMA, records_of
from ...schemas.record import Record
from ..base import RecordStage, TracksOf, no_tracks
from ..modality import modality, on_disk
from ._synchrony import HOP_S, Found, correlations, derangements, drift_reach_s, judged

T = TypeVar("T", bound=tuple[object, ...])

RECORD, GROUP = "record", "group"
IN_STEP_S = 0.04  # smaller offsets are none
_STRETCH_S, _SHORTEST_S = 3.0, 1.0
_MOST_STRETCHES = 64  # of a pool
_ENOUGH_STRETCHES = 6  # to be one another's strangers
_STRANGERS = 512  # sounds kept of the corpus, for pools that are smaller
_DRAWS, _LEAST_DRAWS = 999, 199
_BEYOND_S = 0.16  # searched further than what is accepted, so that a peak at the edge is told
_DRIFTS_FROM_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Sync(RecordStage):
    """Tells by how much a sound is late against its film, or early, and how sure that is; with
    ``correct`` it is moved there.

    video, audio: names of the two parts; the sound may be that of the film's own file or of another
        one that was recorded beside it.
    pool: records that have one offset, for they were made alike: those of a ``group``, those of one
        value of a target (the camera, the session), or each ``record`` for itself. Six stretches of
        3 s are needed to tell anything, and 24 s are told in some six cases of ten; so clips of a
        few seconds want pools.
    max_shift_s: offsets are looked for from minus to plus this.
    confidence: what is less sure is unknown: 1 - p of a permutation test, in which the same
        pictures are held against sounds that are not theirs, of their own pool, or of the whole
        corpus where the pool has less than six stretches.
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
    confidence: float = 0.995
    correct: bool = False

    def __post_init__(self) -> None:
        if not HOP_S <= self.max_shift_s <= _STRETCH_S:
            raise ValueError(
                f"max_shift_s: wanted {HOP_S} to {_STRETCH_S:g} seconds, found {self.max_shift_s:g}"
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
        rows = _Chosen(self)
        for row, record in enumerate(records_of(table)):
            if self.audio in record.parts and self.video in record.parts:
                rows.add(row, record)
        strangers = [
            stretch
            for _, record in rows.taken(table, rows.strangers())
            for stretch in self._stretches(record, tracks, _ENOUGH_STRETCHES)
        ]
        known = _Strangers.of(strangers[:_STRANGERS])
        found = {
            pool: self._judged(pool, self._pooled(records, tracks), known)
            for pool, records in itertools.groupby(
                rows.taken(table, rows.pooled()), lambda each: each[0]
            )
        }
        options = {each.name: getattr(self, each.name) for each in fields(Sync)}
        return _FittedSync(**options, found=found, strangers=known)

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
        moves = self.correct and abs(signals.get("sync_offset_s", 0.0)) >= IN_STEP_S - HOP_S / 2
        return (self._moved(result, found.offset_s) if moves and not found.drift else result,)

    def outcome(self, result: Record) -> str:
        if self.audio not in result.parts or self.video not in result.parts:
            return ""
        if f"{self.audio}.sync_confidence" not in result.signals:
            return "too short, or too few others, to tell whether in step"
        offset = result.signals.get(f"{self.audio}.sync_offset_s")
        if offset is None:
            return "unknown whether in step"
        if f"{self.audio}.sync_drift" in result.signals:
            return "drifting, left as they are"
        if abs(offset) < IN_STEP_S - HOP_S / 2:
            return "in step"
        return "out of step, moved" if self.correct else "out of step, left as they are"

    def _found(self, record: Record, tracks: TracksOf) -> Found | None:
        """What is found of a record; None where nothing can be. Nothing before all were seen."""
        return None

    def pool_of(self, record: Record) -> str:
        """The name of the pool of a record; one that has no value is its own."""
        if self.pool == GROUP:
            return f"group {record.group}"
        value: JsonValue = record.targets.get(self.pool) if self.pool != RECORD else None
        return f"record {record.key}" if value is None else f"value {value}"

    def _pooled(self, records: Iterable[tuple[str, Record]], tracks: TracksOf) -> list[_Stretch]:
        """The stretches of a pool, none of them twice, in the order of the records."""
        pooled: dict[tuple[object, ...], _Stretch] = {}
        for _, record in records:
            for stretch in self._stretches(record, tracks, _MOST_STRETCHES):
                pooled.setdefault(stretch.seen + stretch.heard, stretch)
            if len(pooled) >= _MOST_STRETCHES:
                break
        return list(pooled.values())[:_MOST_STRETCHES]

    def _stretches(self, record: Record, tracks: TracksOf, most: int) -> list[_Stretch]:
        """Up to so many stretches of a record, evenly spaced over what has pictures and sound."""
        video, audio = record.parts[self.video], record.parts[self.audio]
        seen, heard = tracks(video), tracks(audio)
        length = min(video.seconds() or 0.0, audio.seconds() or 0.0)
        if not seen or not heard or length < _SHORTEST_S:
            return []
        each = min(_STRETCH_S, length)
        starts = np.linspace(0.0, length - each, max(1, min(most, int(length / each))))
        reach = self._reach(length)
        result = []
        for start in starts.tolist():
            begin, first = (part.start_s or 0.0 for part in (video, audio))
            inside = (np.arange(round(_STRETCH_S / HOP_S)) + 0.5) * HOP_S
            around = (np.arange(len(inside) + 2 * reach) + 0.5 - reach) * HOP_S
            motion = on_disk(video.modality).activity(seen, begin + start + inside)
            level = on_disk(audio.modality).activity(heard, first + start + around)
            motion[inside > each] = np.nan
            result.append(
                _Stretch(
                    motion,
                    level,
                    (video.hash or video.uri, round(begin + start, 3)),
                    (audio.hash or audio.uri, round(first + start, 3)),
                    start + each / 2,
                )
            )
        return result

    def _lags(self) -> int:
        return 2 * round((self.max_shift_s + _BEYOND_S) / HOP_S) + 1

    def _reach(self, length_s: float) -> int:
        """How many lags to each side are looked at in a record of a length, that it may drift."""
        beyond = drift_reach_s(length_s) if length_s >= _DRIFTS_FROM_S else 0.0
        return self._lags() // 2 + math.ceil(beyond / HOP_S)

    def _judged(
        self, pool: str, stretches: Sequence[_Stretch], strangers: _Strangers
    ) -> Found | None:
        """What is found of a pool; None where it has nothing, or nobody to compare it with."""
        if not stretches:
            return None
        count, lags = len(stretches), self._lags()
        width = min(len(stretch.level) for stretch in stretches)
        level = np.stack([_middle(stretch.level, width) for stretch in stretches])
        motion = np.stack([stretch.motion for stretch in stretches])
        curves = correlations(motion, level)
        own = curves[np.arange(count), np.arange(count)]
        draws = np.empty((0, count), int)
        if count >= _ENOUGH_STRETCHES:
            same = np.array([[one.sounds_with(two) for two in stretches] for one in stretches])
            draws = derangements(same, _DRAWS, random_for(0, self.address, pool))
        middles = None
        if len(draws) >= _LEAST_DRAWS:
            others = curves[np.arange(count), draws]
            # records that are pooled need not drift alike
            if len({stretch.seen[0] for stretch in stretches}) == 1:
                middles = np.array([stretch.middle_s for stretch in stretches])
        else:
            files = {stretch.heard[0] for stretch in stretches}
            own, others = _middle(own, lags), strangers.against(motion, files, lags)
        if 1 - 1 / (1 + len(others)) < self.confidence:
            return None
        found = judged(own, others, lags, middles)
        lies_beyond = abs(found.offset_s) > self.max_shift_s + HOP_S / 2
        return Found(0.0, 0.0) if lies_beyond else found

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


class _Stretch(NamedTuple):
    """Some seconds of a record: how much moves ``[N]``, how loud it is ``[N + lags]`` around it,
    the files and when it begins in each, and its middle in seconds of the record.
    """

    motion: np.ndarray
    level: np.ndarray
    seen: tuple[str | None, float]
    heard: tuple[str | None, float]
    middle_s: float

    def sounds_with(self, other: _Stretch) -> bool:
        """Whether both have some of the same sound."""
        near = abs(self.heard[1] - other.heard[1]) < _STRETCH_S - HOP_S
        return self.heard[0] == other.heard[0] and near


@dataclass(frozen=True)
class _Strangers:
    """Sounds of the corpus ``float32 [R, T]``, those of a pool one after the other, and the file of
    each.
    """

    levels: np.ndarray
    files: tuple[str | None, ...]

    @classmethod
    def of(cls, stretches: Sequence[_Stretch]) -> _Strangers:
        """The sounds of these stretches, each once."""
        each = {stretch.heard: stretch for stretch in stretches}
        width = min((len(stretch.level) for stretch in stretches), default=0)
        levels = [_middle(stretch.level, width) for stretch in each.values()]
        return cls(np.array(levels, np.float32), tuple(file for file, _ in each))

    def against(self, motion: np.ndarray, own: set[str | None], lags: int) -> np.ndarray:
        """The correlations ``[M, K, lags]`` of stretches of pictures ``[K, N]`` with foreign sounds
        in a row, from each of them on; ``own`` are the files whose sounds are no strangers.
        """
        foreign = [row for row, file in enumerate(self.files) if file not in own]
        count = len(motion)
        if len(foreign) <= count:
            return np.empty((0, count, lags))
        curves = correlations(motion, self.levels[foreign])
        curves = _middle(curves, lags)
        rows = (np.arange(len(foreign))[:, None] + np.arange(count)) % len(foreign)
        return np.asarray(curves[np.arange(count), rows])


def _middle(values: np.ndarray, length: int) -> np.ndarray:
    """So many values in the middle of the last axis."""
    skip = (values.shape[-1] - length) // 2
    return values[..., skip : skip + length]


class _Chosen:
    """Which rows are looked at: of each pool of several records those with the smallest hashes, and
    strangers for the others; whatever the order in which they come.
    """

    def __init__(self, stage: Sync) -> None:
        self._stage = stage
        self._pools: dict[str, list[tuple[float, int]]] = {}
        self._sizes: dict[str, int] = {}
        self._strangers: list[tuple[float, float, int]] = []

    def add(self, row: int, record: Record) -> None:
        """Look at one more record, which has both parts."""
        pool = self._stage.pool_of(record)
        rank = -uniform_for(0, "sync", record.key)
        # the largest of what is kept comes first, to be replaced
        _keep(self._strangers, (-uniform_for(0, "sync", pool), rank, row), _STRANGERS)
        if self._stage.pool != RECORD:
            _keep(self._pools.setdefault(pool, []), (rank, row), _MOST_STRETCHES)
            self._sizes[pool] = self._sizes.get(pool, 0) + 1

    def strangers(self) -> list[tuple[str, int]]:
        """The rows of strangers, those of a pool one after the other."""
        return [("", row) for _, _, row in sorted(self._strangers, reverse=True)]

    def pooled(self) -> list[tuple[str, int]]:
        """The pools of several records, and their rows."""
        return [
            (pool, row)
            for pool in sorted(self._pools)
            if self._sizes[pool] > 1
            for _, row in sorted(self._pools[pool], reverse=True)
        ]

    def taken(
        self, table: pa.Table, rows: Sequence[tuple[str, int]]
    ) -> Iterator[tuple[str, Record]]:
        """The records of these rows, some at a time in memory."""
        for start in range(0, len(rows), 1024):
            some = rows[start : start + 1024]
            records = records_of(table.take(pa.array([row for _, row in some], pa.int64())))
            yield from zip((pool for pool, _ in some), records, strict=True)


def _keep(heap: list[T], entry: T, most: int) -> None:
    """Add an entry to the largest so many."""
    if len(heap) < most:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)


_NOBODY = _Strangers(np.empty((0, 0), np.float32), ())


@dataclass(frozen=True, kw_only=True)
class _FittedSync(Sync):
    """The stage after it saw all records. found: of the pools of several records. strangers: whom
    the others are held against.
    """

    found: Mapping[str, Found | None] = field(default_factory=dict)
    strangers: _Strangers = _NOBODY

    def _found(self, record: Record, tracks: TracksOf) -> Found | None:
        if self.audio not in record.parts or self.video not in record.parts:
            return None
        pool = self.pool_of(record)
        if pool in self.found:
            return self.found[pool]
        stretches = self._stretches(record, tracks, _MOST_STRETCHES)
        return self._judged(pool, stretches, self.strangers) if stretches else None
