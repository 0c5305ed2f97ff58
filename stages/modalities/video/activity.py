"""How much is seen to move at each moment of a film."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_GREY_LEVEL = 1.0  # changes below it are noise


def motion_at(tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
    """The logarithm of how much the picture changes where it changes most, at these times of a film
    ``float32 [T]``: of the frame that is nearest in time, against the one before it. NaN outside of
    the film, and at its first frame.
    """
    times, change = tracks["time"], tracks["change"].copy()
    if len(times) < 2:
        return np.full(len(times_s), np.nan, np.float32)
    change[0] = np.nan
    nearest = np.searchsorted((times[1:] + times[:-1]) / 2, times_s)
    inside = (times_s >= times[0]) & (times_s <= times[-1] + (times[-1] - times[-2]))
    return np.where(inside, np.log(change[nearest] + _GREY_LEVEL), np.nan).astype(np.float32)
