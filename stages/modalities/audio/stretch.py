"""A span of a recording as its tracks tell it, from which signals are made without decoding."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np


class Stretch:
    """The span [start_s, end_s) of a sound of ``duration_s``; all of it where no end is said.

    tracks: those of its file, each of all of the file: ``power`` and ``moving`` by frames of 20 ms
        ``[F]``, ``hop`` the seconds from one to the next ``[1]``, and what other tracks give.
    """

    def __init__(
        self,
        tracks: Mapping[str, np.ndarray],
        duration_s: float,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        self.tracks = tracks
        self._duration_s = duration_s
        self._start_s, self._end_s = start_s, end_s

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """How many seconds of each frame of 20 ms ``[F]`` lie in the span."""
        return self.seconds_of(len(self.tracks["power"]), float(self.tracks["hop"][0]))

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the sound lies in the span."""
        return float(self.weights.sum()) <= 0

    def mean(self, values: np.ndarray) -> float:
        """The mean of values by frames of 20 ms ``[F]`` over the span."""
        return float((self.weights * values).sum() / float(self.weights.sum()))

    def seconds_of(self, count: int, hop_s: float) -> np.ndarray:
        """How many seconds of each of ``count`` frames of ``hop_s`` lie in the span."""
        edges = np.minimum(np.arange(count + 1) * hop_s, self._duration_s)
        begin = max(0.0, self._start_s or 0.0)
        end = self._duration_s if self._end_s is None else min(self._end_s, self._duration_s)
        inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        return np.asarray(inside.clip(0.0))
