"""Whether the frames of a film are shown for the same time each."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal
from ..stretch import Stretch

_LONGER = 0.1
_ROUNDING_S = 2e-3  # Matroska counts in milliseconds


def variable_rate(stretch: Stretch) -> float:
    """The share of frames that are shown a tenth longer or shorter than the median one (and by more
    than the 2 ms to which containers may round); 0 of a constant rate.
    """
    lengths = np.diff(stretch.shown("time").astype(np.float64))
    if not len(lengths):
        return 0.0
    usual = float(np.median(lengths))
    return float((np.abs(lengths - usual) > max(_LONGER * usual, _ROUNDING_S)).mean())


VARIABLE_RATE = Signal(
    name="variable_rate",
    of="video",
    tracks=("time",),
    gives={"variable_rate": share("share of frames shown longer or shorter than the median")},
    function=variable_rate,
)
