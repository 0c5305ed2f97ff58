"""How loud a sound is."""

from __future__ import annotations

import math

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal
from ..stretch import Stretch

_FLOOR_DB = -120.0


def level_db(stretch: Stretch) -> float:
    """The RMS level of the mean of the channels in dBFS, at least -120."""
    power = max(stretch.mean(stretch.tracks["power"]), 1e-12)
    return max(_FLOOR_DB, 10 * float(np.log10(power)))


LEVEL_DB = Signal(
    name="level_db",
    of="audio",
    tracks=("levels",),
    gives={"level_db": Quantity("RMS level", "dBFS", _FLOOR_DB, 10 * math.log10(2))},
    function=level_db,
    on_request=False,
)
