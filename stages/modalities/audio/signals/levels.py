"""How loud a sound is over time: what most signals of a sound stand on."""

from __future__ import annotations

import numpy as np

from ....signal import Track
from ..heard import Heard


def levels(heard: Heard) -> dict[str, np.ndarray]:
    """By frames of 20 ms, each ``float32 [F]``: mean power, and the same without the frame's own
    mean. ``hop``: seconds from one frame to the next.
    """
    power, mean = heard.by_frames(np.square(heard.mono)), heard.by_frames(heard.mono)
    return {
        "hop": np.array([heard.frame / heard.sound.rate_hz]),
        "power": power,
        "moving": (power - np.square(mean)).clip(0.0),
    }


LEVELS = Track(name="levels", of="audio", function=levels)
