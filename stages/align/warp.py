"""Times of one medium mapped onto another's that tells the same at another pace: words of a reading
onto another reading, bars of a score's recording onto a performance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ...schemas.contents import Contents
from ...schemas.record import Cue, Part, Record, is_part_name
from ..base import RecordStage, TracksOf, no_tracks
from ..modality import every_on_disk, on_disk
from ._warping import (
    MOST_ROWS,
    accumulated,
    best_path,
    distances,
    relative_cost,
    standardised,
    thinned,
)

_FEWEST_ROWS = 10


class TimeMap(NamedTuple):
    """Times ``[P]`` of the one medium and the same moments in the other, both rising; and what the
    path costs, as ``_warping.relative_cost`` says.
    """

    times_s: np.ndarray
    others_s: np.ndarray
    cost: float

    def __call__(self, times_s: np.ndarray) -> np.ndarray:
        """The same moments in the other medium: on a line between two, and as long before the first
        or after the last as in the one.
        """
        inside = np.interp(times_s, self.times_s, self.others_s)
        beyond = np.minimum(times_s - self.times_s[0], 0) + np.maximum(
            times_s - self.times_s[-1], 0
        )
        return np.asarray(inside + beyond)


@dataclass(frozen=True, kw_only=True)
class Warp(RecordStage):
    """Moves the times of words from the medium that they were written for to another one in which
    the same happens at another pace, by dynamic time warping (Sakoe & Chiba 1978).

    of: the sound, film or series whose times the words have. onto: the part that they are moved to.
    cues: new part -> the text with times that is moved; the same name puts it in the place of the
        old one.
    by: what is compared. Of sounds ``mfcc``, the timbre, for speech; ``chroma``, the pitch classes,
        for music; of sounds and films ``activity``, how much happens when; of series ``values``,
        each column by its own scale.
    within: ``onto`` where the one is only a stretch of the other, ``of`` where the other is only a
        stretch of the one; words outside of it are left out.
    max_cost: what costs more is unknown. The cost is that of the best path, as a share of what it
        is where the same material stands in another order (backwards, begun at ten places): about 1
        for two that have nothing to do with each other.
    drop: takes the part ``of`` away, for its times are others than those of the words now.

    The cost becomes a signal of ``onto`` (``warp_cost``). Where it is unknown whether the two tell
    the same, the words are moved nowhere, the new part is absent, and the account tells how often.
    Silence at both ends of a sound does not count. Times are compared in steps of 20 ms, of
    recordings above 80 s in longer ones, of which there are 4,096 at most.
    """

    of: str
    onto: str
    cues: dict[str, str]
    by: str = "mfcc"
    within: Literal["of", "onto"] | None = None
    max_cost: float = 0.6
    drop: bool = False

    def __post_init__(self) -> None:
        if self.of == self.onto:
            raise ValueError(f"of, onto: wanted two parts, found {self.of!r} twice")
        if not self.cues:
            raise ValueError("cues: wanted the text whose times are moved, found none")
        for name in self.cues:
            if not is_part_name(name):
                raise ValueError(
                    f"cues: {name!r} is no name for a part; wanted letters, digits, _ and -"
                )
        if not 0 < self.max_cost <= 1:
            raise ValueError(
                f"max_cost: wanted a number above 0, and 1 at most, found {self.max_cost:g}"
            )
        known = sorted({by for kind in every_on_disk() for by in kind.warped_by})
        if self.by not in known:
            raise ValueError(f"by: wanted one of {', '.join(known)}, found {self.by!r}")

    def mistakes(self, here: Contents) -> list[str]:
        kinds = self._kinds()
        lines = here.lacking_parts("of", [self.of]) + here.lacking_parts("onto", [self.onto])
        for option, name in (("of", self.of), ("onto", self.onto)):
            kind = here.parts.get(name)
            if kind is not None and kind not in kinds:
                wanted = " or ".join(kinds)
                lines.append(
                    f"{option}: {self.by} is of {wanted}, and {name!r} is {kind}; say another 'by'"
                )
        lines += here.lacking_parts("cues", self.cues.values(), "text")
        lines += [
            f"cues: {new!r} is a part already; give the new one another name"
            for new, old in self.cues.items()
            if new in here.parts and new != old
        ]
        return lines

    def contents(self, here: Contents) -> Contents:
        parts = {**here.parts, **dict.fromkeys(self.cues, "text")}
        if self.drop:
            parts.pop(self.of, None)
        return dataclasses.replace(here, parts=parts)

    def measured(self, here: Contents) -> tuple[str, ...]:
        wanted = {here.parts.get(self.of), here.parts.get(self.onto)}
        return tuple(
            f"{name}.{self.by}" if self.by in on_disk(name).on_request else name
            for name in self._kinds()
            if name in wanted or None in wanted
        )

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        if not self._applies(record):
            return (record,)
        texts = record.parts
        one, other = texts[self.of], texts[self.onto]
        found = self._map(one, other, tracks)
        if found is not None:
            signals = {**record.signals, f"{self.onto}.warp_cost": found.cost}
            record = dataclasses.replace(record, signals=signals)
        is_sure = found is not None and found.cost <= self.max_cost
        for new, old in self.cues.items():
            text = texts.get(old)
            if text is None or not text.cues:
                continue
            # taken first: where it is not known, words with the times of another part would lie
            record = record.without_part(new, "filtered")
            if is_sure and found is not None:
                record = record.with_part(new, _moved(text, found, other, self.within))
        return (record.without_part(self.of, "filtered") if self.drop else record,)

    def outcome(self, result: Record, before: Record) -> str:
        if not self._applies(before):
            return "left as they are, for they lack a part"
        cost = result.signals.get(f"{self.onto}.warp_cost")
        if cost is None:
            return "unknown, for too little of them is there to be compared"
        if cost > self.max_cost:
            return "unknown whether both tell the same, words moved nowhere"
        lost = sum(
            len(before.parts[old].cues) - len(result.parts[new].cues)
            for new, old in self.cues.items()
            if new in result.parts and old in before.parts
        )
        return "words moved, but for those outside of the stretch" if lost else "words moved"

    def _kinds(self) -> tuple[str, ...]:
        """The modalities whose times can be mapped by what is asked for."""
        return tuple(kind.name for kind in every_on_disk() if self.by in kind.warped_by)

    def _applies(self, record: Record) -> bool:
        """Whether a record has both parts, and words with times."""
        return {self.of, self.onto} <= record.parts.keys() and any(
            record.parts[old].cues for old in self.cues.values() if old in record.parts
        )

    def _map(self, one: Part, other: Part, tracks: TracksOf) -> TimeMap | None:
        """How times of the one lie in the other; None where too little is there."""
        hop_s, first = _sequence(one, tracks, self.by)
        other_hop_s, second = _sequence(other, tracks, self.by)
        if first.shape[1] != second.shape[1]:
            return None
        longer_s = max(hop_s, other_hop_s)
        begins = []
        known = []
        for rows in (_spread(first, longer_s / hop_s), _spread(second, longer_s / other_hop_s)):
            there = np.flatnonzero(np.isfinite(rows).any(1))
            if len(there) < _FEWEST_ROWS:
                return None
            begins.append(int(there[0]))
            known.append(standardised(rows[there[0] : there[-1] + 1]))
        return time_map(known[0], known[1], longer_s, begins, self.within)


def time_map(
    first: np.ndarray,
    second: np.ndarray,
    hop_s: float,
    begins: Iterable[int],
    within: Literal["of", "onto"] | None = None,
) -> TimeMap:
    """How the times of one sequence ``[N, D]`` lie in another ``[M, D]``, whose rows are ``hop_s``
    apart. begins: the numbers of their first rows, counted from 0 s.
    """
    starts = [begin * hop_s for begin in begins]
    factor = max(1, -(-max(len(first), len(second)) // MOST_ROWS))
    first, second = thinned(first, factor), thinned(second, factor)
    hop_s, middle_s = hop_s * factor, (factor - 1) / 2 * hop_s
    is_turned = within == "of"
    inner, outer = (second, first) if is_turned else (first, second)
    is_within = within is not None
    cost = relative_cost(inner, outer, is_within)
    cells = best_path(accumulated(distances(inner, outer), is_within), is_within)
    rows, columns = (cells[:, 1], cells[:, 0]) if is_turned else (cells[:, 0], cells[:, 1])
    # one time for each row, in the middle of those that it has in the other
    places, inverse, counts = np.unique(rows, return_inverse=True, return_counts=True)
    others = np.bincount(inverse, columns) / counts
    return TimeMap(
        starts[0] + middle_s + places * hop_s, starts[1] + middle_s + others * hop_s, cost
    )


def _sequence(part: Part, tracks: TracksOf, by: str) -> tuple[float, np.ndarray]:
    """What happens in a part: seconds from row to row, and its rows ``[F, D]``, the first at the
    begin of the part.
    """
    own, kind = tracks(part), on_disk(part.modality)
    if not own or by not in kind.warped_by:
        return 1.0, np.empty((0, 0), np.float32)
    hop_s, rows = kind.sequence(own, by)
    first = round((part.start_s or 0.0) / hop_s)
    return hop_s, rows[first : first + round((part.seconds() or 0.0) / hop_s) + 1]


def _spread(rows: np.ndarray, factor: float) -> np.ndarray:
    """Rows that are ``factor`` as far apart ``[F / factor, D]``, each on a line between two."""
    if factor == 1:
        return rows
    places = np.arange(0, len(rows) - 1 + 1e-9, factor)
    own = np.arange(len(rows))
    return np.stack([np.interp(places, own, column) for column in rows.T], 1)


def _moved(text: Part, found: TimeMap, other: Part, within: Literal["of", "onto"] | None) -> Part:
    """A text with the times of its cues moved; without those outside of a stretch that the other
    part is.
    """
    cues = text.cues
    if within == "of":
        first, last = found.times_s[0], found.times_s[-1]
        cues = tuple(cue for cue in cues if cue.end_s > first and cue.start_s < last)
    length = np.inf if other.duration_s is None else other.seconds()
    edges = found(np.array([[cue.start_s, cue.end_s] for cue in cues]).reshape(-1, 2))
    moved = tuple(
        Cue(start, end, cue.text)
        for (start, end), cue in zip(edges.clip(0.0, length).tolist(), cues, strict=True)
    )
    words = text.text if len(moved) == len(text.cues) else " ".join(cue.text for cue in moved)
    return dataclasses.replace(text, text=words, cues=moved)
