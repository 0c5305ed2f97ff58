"""What a sound is like over time, by which ``align.warp`` maps the times of one recording onto
those of another; made where that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....signal import Track
from ..sequences import sequence_of

if TYPE_CHECKING:
    from ....media.audio import Sound


def timbre(sound: Sound) -> np.ndarray:
    """The timbre of each 20 ms, row by row ``float32 [F * 13]``."""
    return sequence_of(sound, "mfcc").reshape(-1)


def pitch_classes(sound: Sound) -> np.ndarray:
    """The pitch classes of each 20 ms, row by row ``float32 [F * 12]``."""
    return sequence_of(sound, "chroma").reshape(-1)


MFCC = Track(name="mfcc", of="audio", reads="sound", function=timbre)
CHROMA = Track(name="chroma", of="audio", reads="sound", function=pitch_classes)
