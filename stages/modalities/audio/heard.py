"""A recording, decoded once for all that is measured of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...media.audio import Sound


FRAME_S = 0.02


class Heard:
    """A sound; what is made of it is made when it is first asked for.

    sound: the samples of all channels, with their rate. mono: the mean of the channels ``float32
        [T]``. frame: samples in 20 ms.
    """

    def __init__(self, sound: Sound) -> None:
        self.sound = sound
        self.frame = max(1, round(FRAME_S * sound.rate_hz))

    @functools.cached_property
    def mono(self) -> np.ndarray:
        return self.sound.mono()

    def by_frames(self, values: np.ndarray) -> np.ndarray:
        """The mean of values ``[T]`` over each 20 ms ``[F]``; the last frame may be shorter."""
        whole = len(values) // self.frame * self.frame
        means = values[:whole].reshape(-1, self.frame).mean(1)
        return np.append(means, values[whole:].mean()) if whole < len(values) else means
