"""How loud a sound is to the ear, and how much that changes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .....schemas.quantity import Quantity
from ....media.loudness import HOP_S, k_weighted_power, loudness_lufs, loudness_range_lu
from ....signal import Signal, Track
from ..heard import Heard
from ..stretch import Stretch

_NEARLY_ALL = 0.999


def k_weighted(heard: Heard) -> np.ndarray:
    """The power that ITU-R BS.1770 hears in each whole 100 ms, all channels together
    ``float32 [F]``.
    """
    return k_weighted_power(heard.sound.samples, heard.sound.rate_hz)


def loudness(stretch: Stretch) -> Mapping[str, float]:
    """The integrated loudness (ITU-R BS.1770-4) of the 100 ms that lie in a span, and its loudness
    range (EBU Tech 3342); nothing of less than the 0.4 s, or 3 s, that these are made of, nor where
    all of it is below -70 LUFS.
    """
    power = stretch.tracks["k_weighted"]
    inside = stretch.seconds_of(len(power), HOP_S) > _NEARLY_ALL * HOP_S
    found = {
        "loudness_lufs": loudness_lufs(power[inside]),
        "range_lu": loudness_range_lu(power[inside]),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


K_WEIGHTED = Track(name="k_weighted", of="audio", function=k_weighted)
LOUDNESS = Signal(
    name="loudness",
    of="audio",
    tracks=("levels", "k_weighted"),
    gives={
        "loudness_lufs": Quantity(
            "integrated loudness (ITU-R BS.1770-4), of 0.4 s or more", "LUFS", -70.0
        ),
        "range_lu": Quantity("loudness range (EBU Tech 3342), of 3 s or more", "LU"),
    },
    function=loudness,
)
