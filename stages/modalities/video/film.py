"""A film, decoded once for all that is measured of it, a frame at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ....schemas.errors import DamageError
from ...media import video
from ...media.sketch import Sketch, Sketcher

WIDTH, HEIGHT = 64, 48


class Frame:
    """A frame as tracks read it; what is made of it is made when it is first asked for.

    time_s: when it is shown. gray: its grey picture ``uint8 [48, 64]``, as it is stored. before:
        the frame before it; None of the first.
    """

    def __init__(self, time_s: float, gray: np.ndarray, before: Frame | None) -> None:
        self.time_s = time_s
        self.gray = gray
        self.before = before

    @functools.cached_property
    def levels(self) -> np.ndarray:
        """The grey picture ``int16 [48, 64]``."""
        return self.gray.astype(np.int16)

    @functools.cached_property
    def difference(self) -> np.ndarray:
        """How far each pixel is from that of the frame before ``int16 [48, 64]``; 0 of the
        first.
        """
        before = self if self.before is None else self.before
        return np.asarray(np.abs(self.levels - before.levels))


@dataclass(frozen=True, slots=True)
class Film:
    """A film after the look at all of its frames, as signals of the file read it.

    header: what the container says. frames: how many could be decoded. damaged: how many packets or
        frames could not, or are damaged. first_s: when the first is shown. end_s: when the last one
        ends.
    """

    path: Path
    header: video.VideoFacts
    frames: int
    damaged: int
    first_s: float
    end_s: float


def watch(path: Path, header: video.VideoFacts, look: Sequence[Callable[[Frame], None]]) -> Film:
    """The film, each of its frames shown to everyone in ``look``; DamageError where not one can be
    decoded.
    """
    times: list[float] = []
    damage: list[float] = []
    before: Frame | None = None
    for time, gray in video.frames(path, WIDTH, HEIGHT, "gray", damage):
        frame = Frame(time, gray, before)
        times.append(time)
        for each in look:
            each(frame)
        frame.before, before = None, frame  # or all frames would be kept
    if not times:
        raise DamageError("video_empty", "not one frame can be decoded")
    first, last, count = times[0], max(times), len(times)
    step = (last - first) / (count - 1) if count > 1 else 0.0
    end = last + (1 / header.fps if header.fps else step)
    return Film(path, header, count, len(damage), first, end)


def sketch_video(source: Path | BinaryIO) -> Sketch:
    """The sketch of a film alone; DamageError where not one frame can be decoded. Its last frame is
    taken to be shown as long as the others are on average.
    """
    facts = video.probe(source)
    if not isinstance(source, Path):
        source.seek(0)
    sketcher = Sketcher(facts.turns)
    times = []
    for time, frame in video.frames(source, WIDTH, HEIGHT, "gray", []):
        sketcher.add(time, frame)
        times.append(time)
    if not times:
        raise DamageError("video_empty", "not one frame can be decoded")
    first, last = times[0], max(times)
    step = (last - first) / (len(times) - 1) if len(times) > 1 else 0.0
    return sketcher.finished(last + step)
