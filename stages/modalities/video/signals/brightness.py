"""How light a film is."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal, Track
from ..stretch import Stretch


def luma(gray: np.ndarray) -> float:
    """The mean of a frame ``uint8 [48, 64]`` in [0, 1]."""
    return float(gray.mean()) / 255


def brightness(stretch: Stretch) -> float:
    """The mean of the grey pictures of all frames, in [0, 1]."""
    return float(stretch.shown("luma").mean())


LUMA = Track(name="luma", of="video", reads="gray", function=luma)
BRIGHTNESS = Signal(
    name="brightness",
    of="video",
    tracks=("time", "luma"),
    gives={"brightness": share("mean of the grey pictures")},
    function=brightness,
)
