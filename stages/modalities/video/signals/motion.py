"""How much moves in a film."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal, Track
from ..stretch import Stretch


def moved(difference: np.ndarray) -> float:
    """The mean difference of a frame to the one before ``int16 [48, 64]``, in grey levels."""
    return float(difference.mean())


def motion(stretch: Stretch) -> float:
    """The mean of the difference to the frame before, in grey levels; 0 of one frame."""
    found = stretch.changes("moved")
    return float(found.mean()) if len(found) else 0.0


MOVED = Track(name="moved", of="video", reads="difference", function=moved)
MOTION = Signal(
    name="motion",
    of="video",
    tracks=("time", "moved"),
    gives={"motion": Quantity("mean difference to the frame before", "grey levels", 0.0, 255.0)},
    function=motion,
    on_request=False,
)
