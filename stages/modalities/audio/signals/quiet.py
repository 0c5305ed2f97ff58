"""How much of a sound is quiet against the rest of its recording."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal
from ..stretch import Stretch

_QUIET_DB = 40.0
_LOUD_QUANTILE = 0.95


def quiet(stretch: Stretch) -> float:
    """The share of 20 ms frames 40 dB or more below the loud ones (95th percentile) of the whole
    recording.
    """
    moving = stretch.tracks["moving"]
    loud = float(np.quantile(moving, _LOUD_QUANTILE))
    return stretch.mean(moving <= loud * 10 ** (-_QUIET_DB / 10))


QUIET = Signal(
    name="quiet",
    of="audio",
    tracks=("levels",),
    gives={"quiet": share("share of frames 40 dB or more below the loud ones of the recording")},
    function=quiet,
    on_request=False,
)
