"""How far a sound lies off its middle, as badly set converters leave it."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal, Track
from ..heard import Heard
from ..stretch import Stretch


def offset(heard: Heard) -> np.ndarray:
    """The mean of each 20 ms ``float32 [F]``."""
    return heard.by_frames(heard.mono)


def dc_offset(stretch: Stretch) -> float:
    """The mean of the samples of a span, full scale being 1 (the DC offset of FFmpeg's ``astats``);
    of the mean of the channels.
    """
    return stretch.mean(stretch.tracks["offset"])


OFFSET = Track(name="offset", of="audio", function=offset)
DC_OFFSET = Signal(
    name="dc_offset",
    of="audio",
    tracks=("levels", "offset"),
    gives={"dc_offset": Quantity("mean of the samples, full scale being 1", "", -1.0, 1.0)},
    function=dc_offset,
)
