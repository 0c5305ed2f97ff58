"""How much of a sound is speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .....schemas.quantity import Quantity, share
from ....media.speech import HOP_S, RATE_HZ, speech_likelihoods
from ....signal import Signal, Track
from ..stretch import Stretch

if TYPE_CHECKING:
    from ....media.audio import Sound

_LIKELY = 0.5


def likelihoods(sound: Sound) -> np.ndarray:
    """The probability of speech in each 32 ms ``float32 [F]`` (see
    :mod:`modalmill.stages.media.speech`).
    """
    return speech_likelihoods(sound.mono(RATE_HZ))


def speech(stretch: Stretch) -> dict[str, float]:
    """The share of a span in which speech is likelier than 0.5, and the same in seconds."""
    likely = stretch.tracks["speech"] > _LIKELY
    seconds = stretch.seconds_of(len(likely), HOP_S)
    spoken = float(seconds[likely].sum())
    return {"speech_share": spoken / float(seconds.sum()), "speech_s": spoken}


LIKELIHOODS = Track(name="speech", of="audio", reads="sound", function=likelihoods)
SPEECH = Signal(
    name="speech",
    of="audio",
    tracks=("speech",),
    gives={
        "speech_share": share("share of the time in which speech is likelier than 0.5"),
        "speech_s": Quantity("the same in seconds", "s"),
    },
    function=speech,
)
