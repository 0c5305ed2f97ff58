"""How much of a film is black."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal, Track
from ..stretch import Stretch

_BLACK = 26  # a tenth of full luma
_NEARLY_ALL = 0.98


def dark(gray: np.ndarray) -> float:
    """The share of the pixels of a frame ``uint8 [48, 64]`` below a tenth of full luma."""
    return float((gray < _BLACK).mean())


def black(stretch: Stretch) -> float:
    """The share of frames of which 98 % are black, so that writing on black is none."""
    return float((stretch.shown("dark") >= _NEARLY_ALL).mean())


DARK = Track(name="dark", of="video", reads="gray", function=dark)
BLACK = Signal(
    name="black",
    of="video",
    tracks=("time", "dark"),
    gives={"black": share("share of frames of which 98 % are black")},
    function=black,
    on_request=False,
)
