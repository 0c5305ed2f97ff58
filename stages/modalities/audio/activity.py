"""How much is heard at each moment of a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_LOUD_QUANTILE = 0.95
_RANGE_DB = 40.0  # what lies further below the loud moments is all alike
_AS_FILMS = np.array([1, 2, 3, 2, 1]) / 9  # frames of 20 ms; pictures last 40 ms


def level_at(tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
    """The level in dBFS, a constant offset aside, at these times of a recording ``float32 [T]``, at
    least 40 dB below its loud moments (95th percentile), and no sharper in time than a film is; NaN
    outside of it, and where it begins or ends with digital silence, which says that there was no
    stream yet.
    """
    power, hop = tracks["moving"], float(tracks["hop"][0])
    sounding = np.flatnonzero(tracks["power"] > 0)
    if not len(sounding):
        return np.full(len(times_s), np.nan, np.float32)
    floor = float(np.quantile(power, _LOUD_QUANTILE)) * 10 ** (-_RANGE_DB / 10)
    level = _smooth(10 * np.log10(np.maximum(power, max(floor, 1e-12))))
    frames = np.floor(times_s / hop).astype(int)
    inside = (frames >= sounding[0]) & (frames <= sounding[-1])
    return np.where(inside, level[frames.clip(0, len(level) - 1)], np.nan).astype(np.float32)


def _smooth(level: np.ndarray) -> np.ndarray:
    """The level ``[F]``, of the same length, with its ends held."""
    return np.convolve(np.pad(level, len(_AS_FILMS) // 2, mode="edge"), _AS_FILMS, mode="valid")
