"""How much of a film stands still."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal, Track
from ..stretch import Stretch

_STILL = 0.5  # grey levels
_BLOCK = 8


def change(difference: np.ndarray) -> float:
    """The mean difference to the frame before ``int16 [48, 64]`` of the block of 8 x 8 pixels that
    changes most: bars and a still background do not hide what moves, and the noise of single pixels
    is none.
    """
    height, width = difference.shape
    blocks = difference.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return float(blocks.mean((1, 3)).max())


def frozen(stretch: Stretch) -> float:
    """The share of frames of which no 48th differs from the one before by half a grey level on
    average; 0 of one frame.
    """
    found = stretch.changes("change")
    return float((found < _STILL).mean()) if len(found) else 0.0


CHANGE = Track(name="change", of="video", reads="difference", function=change)
FROZEN = Signal(
    name="frozen",
    of="video",
    tracks=("time", "change"),
    gives={"frozen": share("share of frames that do not differ from the one before")},
    function=frozen,
    on_request=False,
)
