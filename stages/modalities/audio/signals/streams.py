"""How many sounds a file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....schemas.quantity import Quantity
from ....signal import Signal

if TYPE_CHECKING:
    from ....media.audio import Sound


def streams(sound: Sound) -> float:
    """Streams of sound in the file."""
    return sound.streams


STREAMS = Signal(
    name="streams",
    of="audio",
    of_file=True,
    reads="sound",
    gives={"streams": Quantity("streams of sound in the file", "", 1.0)},
    function=streams,
    on_request=False,
)
