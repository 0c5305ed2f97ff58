"""How much of a film's picture is black bars."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal, Track
from ..stretch import Stretch

_BLACK = 16.0  # grey levels, mean of a row
_SIDES = ("bar_above", "bar_below", "bar_left", "bar_right")
_BRIGHTEST = 0.05


def bar_above(gray: np.ndarray) -> float:
    """How much of the height of a frame ``uint8 [48, 64]`` is black rows at its top; half of it
    where all are.
    """
    return _bar(gray.mean(axis=1))


def bar_below(gray: np.ndarray) -> float:
    """The same at its bottom."""
    return _bar(gray.mean(axis=1)[::-1])


def bar_left(gray: np.ndarray) -> float:
    """How much of its width is black columns at its left."""
    return _bar(gray.mean(axis=0))


def bar_right(gray: np.ndarray) -> float:
    """The same at its right."""
    return _bar(gray.mean(axis=0)[::-1])


def _bar(means: np.ndarray) -> float:
    lit = np.flatnonzero(means > _BLACK)
    return float(lit[0] / len(means)) if len(lit) else 0.5


def letterbox(stretch: Stretch) -> float:
    """The share of the picture that is black bars at its edges, to a fiftieth of a side: what stays
    black in all frames but the brightest twentieth. 1 of a film that is black throughout.
    """
    above, below, left, right = (
        float(np.quantile(stretch.shown(side), _BRIGHTEST, method="lower")) for side in _SIDES
    )
    return 1 - (1 - above - below) * (1 - left - right)


BAR_ABOVE = Track(name="bar_above", of="video", reads="gray", function=bar_above)
BAR_BELOW = Track(name="bar_below", of="video", reads="gray", function=bar_below)
BAR_LEFT = Track(name="bar_left", of="video", reads="gray", function=bar_left)
BAR_RIGHT = Track(name="bar_right", of="video", reads="gray", function=bar_right)
LETTERBOX = Signal(
    name="letterbox",
    of="video",
    tracks=("time", *_SIDES),
    gives={"letterbox": share("share of the picture that is black bars")},
    function=letterbox,
)
