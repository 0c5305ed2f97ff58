"""How much of a picture are bars at its edges."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal

_NEAR = 12  # levels of 255 from the colour of the bar
_UNIFORM = 0.98  # of a line, which compression leaves of one colour
# what comes after a bar begins along all of it, within the lines that scaling smears: the sky of
# a photograph ends here and there
_EDGE_LINES, _BEGINS = 3, 0.5


def border(pixels: np.ndarray) -> float:
    """The share of a picture ``uint8 [H, W, 3]`` that bars of one colour take, each at its edge;
    1 of a picture of one colour.
    """
    inner = _without_bars(_without_bars(pixels).swapaxes(0, 1))
    return 1.0 - inner.size / pixels.size


def _without_bars(lines: np.ndarray) -> np.ndarray:
    """Lines ``[N, M, 3]`` without those that are bars at either end."""
    lines = lines[_bar(lines) :]
    return lines[: len(lines) - _bar(lines[::-1])]


def _bar(lines: np.ndarray) -> int:
    """How many of the lines ``[N, M, 3]``, from the first one on, are a bar."""
    if not lines.size:
        return 0
    color = np.median(lines[0], axis=0)
    if not _near(lines[:1], color)[0] >= _UNIFORM:
        return 0
    near = _near(lines, color)
    others = np.flatnonzero(near < _UNIFORM)
    if not len(others):
        return len(lines)
    count = int(others[0])
    return count if near[count : count + _EDGE_LINES].min() <= _BEGINS else 0


def _near(lines: np.ndarray, color: np.ndarray) -> np.ndarray:
    """The share of each line that is about of this colour ``[N]``."""
    apart = np.abs(lines.astype(np.int16) - color.astype(np.int16))
    return np.asarray((apart <= _NEAR).all(axis=2).mean(axis=1))


BORDER = Signal(
    name="border",
    of="image",
    reads="small",
    gives={"border": share("share of the picture that bars of one colour at its edges take")},
    function=border,
)
