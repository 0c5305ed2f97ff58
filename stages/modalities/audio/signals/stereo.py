"""What the channels of a sound have to do with each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....schemas.quantity import Quantity, share
from ....signal import Signal, Track
from ..heard import Heard
from ..stretch import Stretch

_DEAD = 10 ** (-90 / 10)  # above the rounding of 16 bits, below what any microphone gives
_SOUNDING = 10 ** (-70 / 10)
_SAME = 10 ** (-40 / 10)  # what coding one sound as two leaves between them
_OPPOSITE = -0.98  # an angle of 170 degrees, as FFmpeg's aphasemeter has it


def by_channel(heard: Heard) -> dict[str, np.ndarray]:
    """By frames of 20 ms ``float32 [F]``: the power of each channel about the frame's mean,
    ``channel_0`` and so on, and where there are two and more, of the first two, ``cross``, the mean
    of their product, and ``side``, the power of their difference.
    """
    samples = heard.sound.samples
    tracks = {
        f"channel_{number}": _power(heard, channel) for number, channel in enumerate(samples.T)
    }
    if samples.shape[1] > 1:
        tracks["side"] = _power(heard, samples[:, 0] - samples[:, 1])
        # of a difference: |l - r|^2 = |l|^2 + |r|^2 - 2 l r
        both = tracks["channel_0"] + tracks["channel_1"]
        tracks["cross"] = (both - tracks["side"]) / 2
    return tracks


def _power(heard: Heard, samples: np.ndarray) -> np.ndarray:
    centred = samples - samples.mean(dtype=np.float64).astype(np.float32)
    power, mean = heard.by_frames(np.square(centred)), heard.by_frames(centred)
    return np.asarray((power - np.square(mean)).clip(0.0))


def stereo(stretch: Stretch) -> Mapping[str, float]:
    """How many channels are dead, whatever constant they hold; of the first two, how they correlate
    about their means, and the shares of the frames that sound in which they are the same (to
    -40 dB) or each other's opposite. Of one channel, or where none sounds, the first alone.
    """
    tracks, inside = stretch.tracks, stretch.weights > 0
    channels = [tracks[name][inside] for name in tracks if name.startswith("channel_")]
    found = {"dead_channels": float(sum(bool((own < _DEAD).all()) for own in channels))}
    if len(channels) < 2:
        return found
    left, right = channels[:2]
    cross, side, weights = (
        tracks["cross"][inside],
        tracks["side"][inside],
        stretch.weights[inside],
    )
    sounds = np.maximum(left, right) >= _SOUNDING
    if not sounds.any():
        return found
    length = np.sqrt((weights * left).sum() * (weights * right).sum())
    if length > 0:
        found["correlation"] = float(np.clip((weights * cross).sum() / length, -1, 1))
    heard = weights[sounds]
    same = (side <= _SAME * (left + right))[sounds]
    opposite = (cross <= _OPPOSITE * np.sqrt(left * right))[sounds] & (left * right > 0)[sounds]
    found["dual_mono"] = float((heard * same).sum() / heard.sum())
    found["antiphase"] = float((heard * opposite).sum() / heard.sum())
    return found


BY_CHANNEL = Track(name="by_channel", of="audio", function=by_channel)
STEREO = Signal(
    name="stereo",
    of="audio",
    tracks=("levels", "by_channel"),
    gives={
        "dead_channels": Quantity("channels in which nothing rises above -90 dBFS"),
        "correlation": Quantity("correlation of the first two channels", "", -1.0, 1.0),
        "dual_mono": share("share of what sounds in which the first two channels are the same"),
        "antiphase": share("share of what sounds in which the first two channels are opposite"),
    },
    function=stereo,
)
