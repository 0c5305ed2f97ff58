"""How many films a file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....schemas.quantity import Quantity
from ....signal import Signal

if TYPE_CHECKING:
    from ....media.video import VideoFacts


def streams(header: VideoFacts) -> float:
    """Streams of pictures in the file."""
    return header.streams


STREAMS = Signal(
    name="streams",
    of="video",
    of_file=True,
    reads="header",
    gives={"streams": Quantity("streams of pictures in the file", "", 1.0)},
    function=streams,
    on_request=False,
)
