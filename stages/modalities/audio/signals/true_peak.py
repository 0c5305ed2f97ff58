"""How high a sound rises between its samples."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....media.loudness import true_peaks
from ....signal import Signal, Track
from ..heard import Heard
from ..stretch import Stretch

_FLOOR_DB = -120.0


def highest(heard: Heard) -> np.ndarray:
    """The true peak of each 20 ms, of the channel where it is highest ``float32 [F]``."""
    return true_peaks(heard.sound.samples, heard.sound.rate_hz, heard.frame)


def true_peak(stretch: Stretch) -> float:
    """The true peak (ITU-R BS.1770-4, Annex 2) in dB of full scale, at least -120: what a converter
    makes of the samples may rise above the highest of them.
    """
    peak = float(stretch.tracks["highest"][stretch.weights > 0].max())
    return 20 * float(np.log10(max(peak, 10 ** (_FLOOR_DB / 20))))


HIGHEST = Track(name="highest", of="audio", function=highest)
TRUE_PEAK = Signal(
    name="true_peak",
    of="audio",
    tracks=("levels", "highest"),
    gives={"true_peak_dbtp": Quantity("true peak (ITU-R BS.1770-4)", "dBTP", _FLOOR_DB)},
    function=true_peak,
)
