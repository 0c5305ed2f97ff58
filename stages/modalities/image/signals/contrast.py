"""How far apart the values of a picture are."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal


def contrast(histogram: np.ndarray) -> float:
    """The standard deviation of a grey picture in [0, 1] (RMS contrast, Peli 1990), from its
    histogram ``[256]``.
    """
    shares, values = histogram / histogram.sum(), np.arange(256) / 255
    mean = shares @ values
    return float(np.sqrt(shares @ np.square(values - mean)))


CONTRAST = Signal(
    name="contrast",
    of="image",
    reads="histogram",
    gives={
        "contrast": Quantity(
            "standard deviation of the grey picture (Peli 1990); 0.5 of black and white halves",
            "",
            0.0,
            0.5,
        )
    },
    function=contrast,
)
