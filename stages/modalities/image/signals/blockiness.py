"""How much of the grid of 8 x 8 pixels shows that JPEG and MPEG compress by."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal

_GRID = 8
_BESIDE = 3
_SEEN = 2.0  # levels of 255: in a smooth sky a step of one is many times its neighbours
_LEAST = 2 * _GRID + 2 * _BESIDE + 1  # pixels of a side in which the grid is seen twice


def blockiness(gray: np.ndarray) -> float | None:
    """By how much steps on the grid exceed those beside it, each step held against the six that are
    nearest in its line (Muijs & Kirenko 2005); of a grey picture ``uint8 [H, W]``, the larger of
    both directions. None below 23 pixels a side.

    The grid may begin anywhere, for pictures are cropped; the place counts at which it shows most.
    Of the lines on the grid the middle half by strength counts, for the edge of a bar or a wall is
    one strong line, and no grid.
    """
    if min(gray.shape) < _LEAST:
        return None
    return max(_along_lines(gray), _along_lines(np.ascontiguousarray(gray.T)))


def _along_lines(gray: np.ndarray) -> float:
    import cv2

    steps = np.asarray(cv2.absdiff(gray[:, 1:], gray[:, :-1]), np.float32)
    width = 2 * _BESIDE + 1
    beside = (cv2.blur(steps, (width, 1)) * width - steps) / (width - 1)
    by_column = (steps / (beside + _SEEN)).mean(axis=0)[_BESIDE:-_BESIDE]
    total, count = float(by_column.sum()), len(by_column)
    most = 0.0
    for first in range(_GRID):
        on_grid = np.sort(by_column[first::_GRID])
        elsewhere = (total - float(on_grid.sum())) / (count - len(on_grid))
        cut = len(on_grid) // 4
        middle = float(on_grid[cut : len(on_grid) - cut].mean())
        # a picture of one colour has no grid
        most = max(most, middle / elsewhere if elsewhere > 1e-9 else 1.0)
    return most


BLOCKINESS = Signal(
    name="blockiness",
    of="image",
    reads="full_gray",
    gives={
        "blockiness": Quantity(
            "steps on the 8 x 8 grid of JPEG over those beside it (Muijs & Kirenko 2005); a"
            " photograph at quality 75 has about 1.5, at quality 10 about 6"
        )
    },
    function=blockiness,
)
