"""How late the pictures of a film set in."""

from __future__ import annotations

from .....schemas.quantity import Quantity
from ....signal import Signal


def late_s(first_s: float) -> float:
    """Seconds before the first picture, while the sound is there; of the file."""
    return max(0.0, first_s)


LATE_S = Signal(
    name="late_s",
    of="video",
    of_file=True,
    reads="first_s",
    gives={
        "late_s": Quantity(
            "time before the first picture, while the sound is there, of the file", "s"
        )
    },
    function=late_s,
    on_request=False,
)
