"""How sharp a picture is."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal


def sharpness(gray: np.ndarray) -> float:
    """The variance of the Laplacian (Pech-Pacheco 2000) of a grey picture ``uint8 [H, W]``."""
    import cv2

    return float(np.var(cv2.Laplacian(gray, cv2.CV_32F), dtype=np.float64))


SHARPNESS = Signal(
    name="sharpness",
    of="image",
    reads="gray",
    gives={
        "sharpness": Quantity(
            "variance of the Laplacian at a short side of 256 pixels (Pech-Pacheco 2000); a soft"
            " photograph has about 100"
        )
    },
    function=sharpness,
    on_request=False,
)
