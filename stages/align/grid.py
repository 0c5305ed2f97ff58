"""Several sequences on one grid of frames: all of a record have one row for one moment."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ...schemas.contents import Contents
from ...schemas.errors import InputError
from ...schemas.quantity import fact
from ...schemas.record import Cue, Fault, Part, Record, is_part_name
from ..base import RecordStage, TracksOf, no_tracks
from ..media.grid import GRID_STEP, on_grid
from ..media.grid import Grid as Gridding
from ..media.values import values_step
from ..modality import OnDisk, every_on_disk, modality, on_disk, timed

_LARGEST_RATE_HZ = 1e6
_MOST_LABELS = 256
_TRACK_HOP_S = 0.02
_CLOSE = 1e-3  # frames


@dataclass(frozen=True, kw_only=True)
class Grid(RecordStage):
    """Brings series, words with times and tracks of media onto one grid of frames, so that all of a
    record have the same number of rows, and row n of each is of one moment.

    rate_hz: rows a second; or
    frames_of: a film, whose frames are the grid.
    parts: the series that are brought onto it; all of a record where it is not given.
    labels: new part -> a text with times. The new part has a column for each label that any record
        has in this text, 1 in the frames [start, end) that the label means, 0 in others.
    skip: texts that are no labels (silence marks).
    tracks: new part -> a sound or a film. The new part has one column, ``activity``: how loud it is
        in dBFS, not below 40 dB under its loud moments; of a film the logarithm of how much moves.
    extent: the grid lies where all of the series and media have something (``intersection``), or
        any of them (``union``), which the others then lack; of ``frames_of`` where the film has.
    max_gap_s: nothing is made up between values that are further apart: these rows are absent. Two
        and a half steps of the series where it is not given.
    hold, nearest: part -> columns that are no numbers on a line: of ``hold`` (a state, a setting)
        the last value counts until the next one, of ``nearest`` (a class of a frame) the nearest.

    All other columns lie on a line between two values, and where the grid is slower than these they
    are low-pass filtered first, so that nothing faster than half of ``rate_hz`` is folded into it.
    Sounds, films and words of the record are cut to the grid's extent where that is shorter. Files
    are not touched: the grid is written on the parts and carried out when they are decoded at the
    end, which also tells of the gaps. A record whose parts have no frame in common is rejected;
    what has none of the parts goes on as it is.
    """

    fitted_on: ClassVar[tuple[str, ...]] = ("parts",)

    rate_hz: float | None = None
    frames_of: str | None = None
    parts: list[str] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    skip: list[str] = field(default_factory=list)
    tracks: dict[str, str] = field(default_factory=dict)
    extent: Literal["intersection", "union"] = "intersection"
    max_gap_s: float | None = None
    hold: dict[str, list[str]] = field(default_factory=dict)
    nearest: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.rate_hz is None) == (self.frames_of is None):
            raise ValueError(
                "rate_hz, frames_of: wanted one of the two, the rate of the grid or the film whose"
                " frames it is"
            )
        if self.rate_hz is not None and not 0 < self.rate_hz <= _LARGEST_RATE_HZ:
            raise ValueError(
                f"rate_hz: wanted a number above 0, up to {_LARGEST_RATE_HZ:,.0f}, found"
                f" {self.rate_hz}"
            )
        if self.max_gap_s is not None and not 0 < self.max_gap_s < math.inf:
            raise ValueError(f"max_gap_s: wanted seconds above 0, found {self.max_gap_s}")
        if twice := sorted(self.labels.keys() & self.tracks.keys()):
            raise ValueError(f"labels, tracks: both make a part called {', '.join(twice)}")
        for name in (*self.labels, *self.tracks):
            if not is_part_name(name):
                raise ValueError(
                    f"labels, tracks: {name!r} is no name for a part; wanted letters, digits, _"
                    " and -"
                )
        both = {
            f"{part}.{column}"
            for part, columns in self.hold.items()
            for column in columns
            if column in self.nearest.get(part, ())
        }
        if both:
            raise ValueError(f"hold, nearest: {', '.join(sorted(both))} stands in both")

    def mistakes(self, here: Contents) -> list[str]:
        lines = here.lacking_parts("parts", self.parts or [], "series")
        lines += here.lacking_parts("hold", self.hold, "series")
        lines += here.lacking_parts("nearest", self.nearest, "series")
        lines += here.lacking_parts("labels", self.labels.values(), "text")
        lines += here.lacking_parts("tracks", self.tracks.values())
        films = [self.frames_of] if self.frames_of is not None else []
        lines += here.lacking_parts("frames_of", films, "video")
        lines += [
            f"{option}: {name!r} is a part already; give the new one another name"
            for option, new in (("labels", self.labels), ("tracks", self.tracks))
            for name in new
            if name in here.parts
        ]
        active = _active()
        lines += [
            f"tracks: wanted a part of {' or '.join(active)}, and {name!r} is {here.parts[name]}"
            for name in self.tracks.values()
            if here.parts.get(name) not in (None, *active)
        ]
        if not (self.labels or self.tracks) and not {None, "series"} & {*here.parts.values()}:
            lines.append(
                "parts: nothing before it gives a series, labels or tracks that could be brought"
                " onto a grid"
            )
        return lines

    def contents(self, here: Contents) -> Contents:
        made = dict.fromkeys([*self.labels, *self.tracks], "series")
        return dataclasses.replace(here, parts={**here.parts, **made})

    def measures(self) -> tuple[str, ...]:
        return timed()

    def needs_fit(self) -> bool:
        return bool(self.labels)

    def fitted(self, table: pa.Table) -> RecordStage:
        parts = pa.compute.list_flatten(table["parts"]).combine_chunks()
        names = {
            new: sorted(_texts_of(parts, text).difference(self.skip))
            for new, text in self.labels.items()
        }
        for new, labels in names.items():
            if len(labels) > _MOST_LABELS:
                raise InputError(
                    f"{self.address}: labels: {self.labels[new]} has {len(labels):,} different"
                    f" texts, each of which would be a column of {new}; {_MOST_LABELS} at most are"
                    " labels"
                )
        own = {each.name: getattr(self, each.name) for each in fields(Grid)}
        return _FittedGrid(**own, names=names)

    def fault(self, record: Record) -> Fault | None:
        extent = self._extent(record)
        if extent is None or extent[1] > 0:
            return None
        return Fault(
            "no_common_time",
            0,
            1,
            "its sequences have no frame of the grid in common: "
            + ", ".join(
                f"{name} lies in [{start:.6g}, {end:.6g}) s"
                for name, (start, end) in self._known(record).items()
            ),
        )

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        extent = self._extent(record)
        if extent is None:
            return (record,)
        begin, rows, rate_hz = extent
        end = begin + rows / rate_hz
        series = self._series(record)
        parts = {
            name: self._on_grid(name, part, begin, end, rate_hz)
            if name in series
            else _within(part, begin, end, 1 / rate_hz)
            for name, part in record.parts.items()
        }
        moments = begin + np.arange(rows) / rate_hz
        for name, own in self._made(record, moments, tracks):
            step = Gridding(rate_hz=rate_hz, nearest=own.nearest).step()
            parts[name] = Part(
                "series",
                frames=rows,
                fps=rate_hz,
                channels=len(own.columns),
                duration_s=rows / rate_hz,
                steps=(values_step(own.values, own.columns), step),
            )
        return (dataclasses.replace(record, parts=parts),)

    def outcome(self, result: Record, before: Record) -> str:
        if result is before:
            return "left as they are, for they have nothing to bring onto a grid"
        lost = sorted(name for name in (*self.labels, *self.tracks) if name not in result.parts)
        return f"on the grid without {', '.join(lost)}" if lost else ""

    def _series(self, record: Record) -> dict[str, Part]:
        """The series of a record that are brought onto the grid."""
        return {
            name: part
            for name, part in record.parts_of("series").items()
            if self.parts is None or name in self.parts
        }

    def _known(self, record: Record) -> dict[str, tuple[float, float]]:
        """From when to when there is something of each sequence, on the record's clock: of series,
        and of the media whose tracks or frames are wanted.
        """
        media = {*self.tracks.values()} & record.parts.keys()
        known = {name: record.parts[name] for name in sorted(media)} | self._series(record)
        if self.frames_of is not None:
            film = record.parts.get(self.frames_of)
            known = {self.frames_of: film} if film is not None else {}
        if not known:  # labels alone: what they are of says how long they go on
            known = {name: part for name, part in record.parts.items() if part.seconds()}
        spans = {}
        for name, part in known.items():
            late = record.signals.get(f"{name}.late_s", 0.0) - (part.start_s or 0.0)
            # the silence before a sound is there
            begin = 0.0 if part.modality == "audio" else max(0.0, late)
            if (seconds := part.seconds()) is not None and not part.damage:
                spans[name] = (begin, seconds)
        return spans

    def _extent(self, record: Record) -> tuple[float, int, float] | None:
        """When the grid begins, its rows and their rate; None where nothing lies on one."""
        rate_hz = self.rate_hz
        if self.frames_of is not None and self.frames_of in record.parts:
            rate_hz = fact(record.parts[self.frames_of], "fps")
        has_any = self._series(record) or any(
            name in record.parts for name in (*self.labels.values(), *self.tracks.values())
        )
        spans = self._known(record).values()
        if not rate_hz or not spans or not has_any:
            return None
        begins, ends = zip(*spans, strict=True)
        is_union = self.extent == "union"
        begin = min(begins) if is_union else max(begins)
        end = max(ends) if is_union else min(ends)
        return begin, max(0, math.floor((end - begin) * rate_hz + _CLOSE)), rate_hz

    def _on_grid(self, name: str, part: Part, begin: float, end: float, rate_hz: float) -> Part:
        grid = Gridding(
            rate_hz=rate_hz,
            max_gap_s=self.max_gap_s,
            hold=tuple(self.hold.get(name, ())),
            nearest=tuple(self.nearest.get(name, ())),
        )
        start = part.start_s or 0.0
        steps = (*(step for step in part.steps if step.op != GRID_STEP), grid.step())
        moved = dataclasses.replace(part, start_s=start + begin, end_s=start + end, steps=steps)
        return on_disk(part.modality).facts_within(moved)

    def _made(
        self, record: Record, moments: np.ndarray, tracks: TracksOf
    ) -> Iterator[tuple[str, _Made]]:
        """The parts that are made of words and of tracks."""
        for name, medium in self.tracks.items():
            part = record.parts.get(medium)
            own = tracks(part) if part is not None else {}
            if part is not None and own:
                yield name, _Made(_activity(part, own, moments)[:, None], ("activity",))


@dataclass(frozen=True)
class _Made:
    """Values ``[T, C]`` of a new part; the columns whose nearest value counts where it is cut."""

    values: np.ndarray
    columns: tuple[str, ...]
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _FittedGrid(Grid):
    """The stage after it saw all records. names: the labels of each new part, in order."""

    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def _made(
        self, record: Record, moments: np.ndarray, tracks: TracksOf
    ) -> Iterator[tuple[str, _Made]]:
        yield from super()._made(record, moments, tracks)
        for name, text in self.labels.items():
            columns = tuple(self.names[name])
            if text in record.parts and columns:
                values = labelled(record.parts[text].cues, columns, moments)
                yield name, _Made(values, columns, columns)


def labelled(cues: Iterable[Cue], labels: Sequence[str], moments: np.ndarray) -> np.ndarray:
    """1 where a label is true of a moment, ``float32 [T, C]``: in [start, end) of a cue with its
    text; 0 elsewhere.
    """
    out = np.zeros((len(moments), len(labels)), np.float32)
    places = {label: place for place, label in enumerate(labels)}
    step = float(moments[1] - moments[0]) if len(moments) > 1 else 1.0
    for cue in cues:
        if cue.text in places:
            edges = np.array([cue.start_s, cue.end_s]) - _CLOSE * step
            first, last = np.searchsorted(moments, edges)
            out[first:last, places[cue.text]] = 1
    return out


def _active() -> tuple[str, ...]:
    """The modalities that know how much happens when."""
    return tuple(
        kind.name for kind in every_on_disk() if type(kind).activity is not OnDisk.activity
    )


def _texts_of(parts: pa.StructArray, text: str) -> set[str]:
    """The texts of all cues of a part, of all records."""
    own = parts.filter(pa.compute.equal(parts.field("name"), text))
    cues = pa.compute.list_flatten(own.field("cues"))
    return set(cues.field("text").unique().to_pylist()) if len(cues) else set()


def _activity(part: Part, tracks: Mapping[str, np.ndarray], moments: np.ndarray) -> np.ndarray:
    """How much happens in a part at some moments of the record ``float32 [T]``."""
    start = part.start_s or 0.0
    frames = np.arange(math.ceil((part.seconds() or 0.0) / _TRACK_HOP_S) + 1)
    times = start + frames * _TRACK_HOP_S
    values = on_disk(part.modality).activity(tracks, times).astype(np.float64)
    return on_grid(times, values, start + moments, _TRACK_HOP_S)[0].astype(np.float32)


def _within(part: Part, begin: float, end: float, step_s: float) -> Part:
    """A part cut to the grid's extent, as it is where that takes no whole step from it."""
    last_cue = max((cue.end_s for cue in part.cues), default=0.0)
    if begin <= 0 and (part.seconds() or last_cue) - end < step_s:
        return part
    return modality(part.modality).cut(part, begin, end)
