"""How much is seen to move at each moment of a film."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_GREY_LEVEL = 1.0  # changes below it are noise


def motion_at(tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
    """The logarithm of how much the picture changes where it changes most, at these times of a film
    ``float32 [T]``: of each frame against the one before it, on a line between frames. NaN outside
    of the film, and before its second frame.
    """
    times, change = tracks["time"].astype(np.float64), tracks["change"]
    if len(times) < 2:
        return np.full(len(times_s), np.nan, np.float32)
    inside = (times_s >= times[1]) & (times_s <= 2 * times[-1] - times[-2])
    motion = np.interp(times_s, times[1:], np.log(change[1:] + _GREY_LEVEL))
    return np.where(inside, motion, np.nan).astype(np.float32)
