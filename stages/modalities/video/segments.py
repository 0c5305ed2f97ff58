"""Shots of a film: what was taken in one go."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_LEAST_CHANGE = 8.0  # grey levels, mean over the picture
_TIMES_NEIGHBOURS = 3.0
_NEIGHBOURS = 2  # frames on each side
_SHORTEST_S = 0.3  # a flash is no shot
_CLOSE_S = 1e-3


def shots(
    tracks: Mapping[str, np.ndarray], start_s: float, end_s: float
) -> list[tuple[float, float]]:
    """The shots [start, end) within the span [start_s, end_s), in seconds of the film, one after
    the other; one of the whole span where nothing is cut.

    A cut is a frame whose mean difference to the one before is at least 8 grey levels, and three
    times that of the two frames before and the two after it (the adaptive detector of
    PySceneDetect, on luma): motion of the camera and flicker change them as well. Dissolves and
    fades are not found.
    """
    times, moved = tracks["time"], tracks["moved"].astype(np.float64)
    around = np.zeros_like(moved)
    padded = np.pad(moved, _NEIGHBOURS, mode="edge")
    for shift in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
        if shift:
            around += padded[_NEIGHBOURS + shift :][: len(moved)]
    around /= 2 * _NEIGHBOURS
    is_cut = (moved >= _LEAST_CHANGE) & (moved >= _TIMES_NEIGHBOURS * around)
    edges = [start_s]
    for time in times[is_cut].tolist():
        if time - edges[-1] >= _SHORTEST_S and end_s - time >= _SHORTEST_S:
            edges.append(time)
    return [
        (first, last)
        for first, last in zip(edges, [*edges[1:], end_s], strict=True)
        if last - first > _CLOSE_S
    ]
