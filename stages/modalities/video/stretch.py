"""A span of a film as its tracks tell it, from which signals are made without decoding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_CLOSE_S = 1e-3


class Stretch:
    """What is shown in the span [start_s, end_s) of a film; in all of it where no end is said.

    tracks: those of its file, each of all frames ``[F]``; ``time`` is among them.
    """

    def __init__(
        self,
        tracks: Mapping[str, np.ndarray],
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        self._tracks = tracks
        times = tracks["time"]
        begin = 0
        if start_s is not None:  # with the frame that is on the screen as the span begins
            begin = max(0, int(np.searchsorted(times, start_s + _CLOSE_S, side="right")) - 1)
        end = len(times) if end_s is None else int(np.searchsorted(times, end_s - _CLOSE_S))
        self._shown = slice(begin, max(begin + 1, end))

    def shown(self, track: str) -> np.ndarray:
        """The track of the frames that are shown."""
        return self._tracks[track][self._shown]

    def changes(self, track: str) -> np.ndarray:
        """The track of the frames that have one before them in the span."""
        return self.shown(track)[1:]
