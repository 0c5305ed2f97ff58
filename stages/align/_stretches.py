"""Stretches of records: how much moves in some seconds of a film, and how loud the sound beside it
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...schemas.record import Part
from ..base import TracksOf
from ..modality import on_disk
from ._synchrony import HOP_S, drift_reach_s

STRETCH_S = 3.0
_SHORTEST_S = 1.0
_DRIFTS_FROM_S = 40.0


class Stretch(NamedTuple):
    """Some seconds of a record: how much moves ``[N]``, how loud it is ``[N + lags]`` around it,
    the files and when it begins in each, and its middle in seconds of the film.
    """

    motion: np.ndarray
    level: np.ndarray
    seen: tuple[str | None, float]
    heard: tuple[str | None, float]
    middle_s: float


@dataclass(frozen=True)
class Strangers:
    """Sounds of the corpus ``float32 [R, width]``, those of a pool one after the other, and the
    file of each.
    """

    levels: np.ndarray
    files: tuple[str | None, ...]

    @classmethod
    def of(cls, stretches: Sequence[Stretch]) -> Strangers:
        """The sounds of these stretches, each once."""
        each = {stretch.heard: stretch.level for stretch in stretches}
        width = min(map(len, each.values()), default=0)
        levels = [middle(level, width) for level in each.values()]
        return cls(np.array(levels, np.float32), tuple(file for file, _ in each))

    @property
    def width(self) -> int:
        """How many values there are of each."""
        return int(self.levels.shape[-1])

    def foreign_to(self, files: set[str | None]) -> np.ndarray:
        """Those of other files ``[R, width]``."""
        return self.levels[[file not in files for file in self.files]]


def stretches_of(
    video: Part, audio: Part, tracks: TracksOf, most: int, reach: int
) -> list[Stretch]:
    """Up to so many stretches of a record, evenly spaced over what has pictures and sound; none of
    what is shorter than a second. ``reach``: lags to each side, to which those are added by which a
    long recording may drift. Sound that the file has beyond the span counts.
    """
    seen, heard = tracks(video), tracks(audio)
    length = min(video.seconds() or 0.0, audio.seconds() or 0.0)
    if not seen or not heard or length < _SHORTEST_S:
        return []
    if length >= _DRIFTS_FROM_S:
        reach += math.ceil(drift_reach_s(length) / HOP_S)
    each = min(STRETCH_S, length)
    inside = (np.arange(round(STRETCH_S / HOP_S)) + 0.5) * HOP_S
    around = (np.arange(len(inside) + 2 * reach) + 0.5 - reach) * HOP_S
    result = []
    for start in np.linspace(0.0, length - each, max(1, min(most, int(length / each)))).tolist():
        begin, first = ((part.start_s or 0.0) + start for part in (video, audio))
        motion = on_disk(video.modality).activity(seen, begin + inside)
        motion[inside > each] = np.nan
        level = on_disk(audio.modality).activity(heard, first + around)
        place, other = (video.hash or video.uri, begin), (audio.hash or audio.uri, first)
        result.append(Stretch(motion, level, place, other, begin + each / 2))
    return result


def middle(values: np.ndarray, length: int) -> np.ndarray:
    """So many values in the middle of the last axis."""
    skip = (values.shape[-1] - length) // 2
    return values[..., skip : skip + length]
