"""Whether the sound of a film begins and ends with its pictures."""

from __future__ import annotations

import math
from pathlib import Path

from .....schemas.quantity import Quantity
from ....signal import Signal


def sound_gaps(path: Path) -> dict[str, float]:
    """By how many seconds the sound begins after the pictures, and by how many it ends before them,
    negative the other way; nothing where there is no sound. Of the file.
    """
    from ....media import video

    gaps = video.sound_gaps(path)
    return {} if gaps is None else {"sound_late_s": gaps[0], "sound_short_s": gaps[1]}


SOUND_GAPS = Signal(
    name="sound_gaps",
    of="video",
    of_file=True,
    reads="path",
    gives={
        "sound_late_s": Quantity(
            "by how much the sound begins after the pictures, of the file", "s", -math.inf
        ),
        "sound_short_s": Quantity(
            "by how much the sound ends before the pictures, of the file", "s", -math.inf
        ),
    },
    function=sound_gaps,
    on_request=False,
)
