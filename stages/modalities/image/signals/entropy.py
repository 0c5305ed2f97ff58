"""How much there is to see in a picture."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal


def entropy(histogram: np.ndarray) -> float:
    """The entropy (Shannon 1948) of the values of a grey picture in bits, from its histogram
    ``[256]``.
    """
    shares = histogram[histogram > 0] / histogram.sum()
    # of one value alone it would be -0.0
    return abs(float(shares @ np.log2(shares)))


ENTROPY = Signal(
    name="entropy",
    of="image",
    reads="histogram",
    gives={
        "entropy": Quantity(
            "entropy of the grey picture's values (Shannon 1948); 0 of one colour", "bit", 0.0, 8.0
        )
    },
    function=entropy,
)
