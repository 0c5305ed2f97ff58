"""How late the sound of a film sets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....schemas.quantity import Quantity
from ....signal import Signal

if TYPE_CHECKING:
    from ....media.audio import Sound


def late_s(sound: Sound) -> float:
    """Seconds of silence before the sound of a film sets in; of the file."""
    return sound.late_s


LATE_S = Signal(
    name="late_s",
    of="audio",
    of_file=True,
    reads="sound",
    gives={"late_s": Quantity("silence before the sound of a film sets in, of the file", "s")},
    function=late_s,
    on_request=False,
)
