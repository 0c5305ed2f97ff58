"""The tracks of a film, a number for each of its frames."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from ...signal import SignalsFound, noting, tracks_of
from .film import Frame


class Watching:
    """Makes the wanted tracks while a film goes by; one that fails is made no further."""

    def __init__(self, wanted: Container[str]) -> None:
        self._tracks = [track for track in tracks_of("video").values() if track.unit in wanted]
        self._numbers: dict[str, list[float]] = {track.name: [] for track in self._tracks}
        self._failed: dict[str, str] = {}

    def look(self, frame: Frame) -> None:
        """Add a frame."""
        for track in self._tracks:
            if track.unit not in self._failed:
                with noting(track.unit, self._failed):
                    self._numbers[track.name].append(track.number(frame))

    @property
    def units(self) -> frozenset[str]:
        """What it makes."""
        return frozenset(track.unit for track in self._tracks)

    def add_to(self, found: SignalsFound) -> None:
        """Add the tracks ``float32 [F]`` of the frames so far, and which failed."""
        found.failed.update(self._failed)
        for track in self._tracks:
            if track.unit not in self._failed:
                numbers = np.array(self._numbers[track.name], np.float32)
                found.tracks[track.name] = {track.name: numbers}
