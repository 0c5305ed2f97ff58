"""How loud the noise of a recording is, and how far what it records stands above it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal
from ..stretch import Stretch

_QUIETEST = 0.1
_FLOOR_DB, _LEAST_SNR_DB, _MOST_SNR_DB = -120.0, -20.0, 100.0


def noise_floor(stretch: Stretch) -> Mapping[str, float]:
    """The level of the quietest tenth of a span's frames of 20 ms, in dBFS, and by how much the
    rest of the power lies above it, in dB. Digital silence is no noise, and does not count.

    It is within 2 dB where what is recorded pauses for a tenth of the time, as speech does, over
    steady noise; up to 5 dB too high where that rumbles, and too low without pauses: of a sound
    that never pauses all is noise to it, at a ratio about 0 or below.
    """
    moving, weights = stretch.tracks["moving"], stretch.weights
    there = (weights > 0) & (moving > 0)
    if not there.any():
        return {}
    power = moving[there].astype(np.float64)
    noise = float(np.quantile(power, _QUIETEST))
    mean = float((weights[there] * power).sum() / weights[there].sum())
    ratio = max((mean - noise) / noise, 10 ** (_LEAST_SNR_DB / 10))
    return {
        "noise_floor_db": max(_FLOOR_DB, 10 * float(np.log10(noise))),
        "snr_db": min(_MOST_SNR_DB, 10 * float(np.log10(ratio))),
    }


NOISE_FLOOR = Signal(
    name="noise_floor",
    of="audio",
    tracks=("levels",),
    gives={
        "noise_floor_db": Quantity("level of the quietest tenth of the frames", "dBFS", _FLOOR_DB),
        "snr_db": Quantity(
            "what is recorded over the noise of its pauses", "dB", _LEAST_SNR_DB, _MOST_SNR_DB
        ),
    },
    function=noise_floor,
)
