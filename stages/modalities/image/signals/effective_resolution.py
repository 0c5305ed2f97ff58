"""How much of its size a picture fills with detail; little where it was enlarged."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal

_WINDOW = 256
_LEAST = 32
_ROWS = 512  # at most, evenly spaced
_SHARE = 0.9
_ROUNDING = 1 / 12  # variance of what rounding to whole levels adds


def effective_resolution(gray: np.ndarray) -> float | None:
    """The frequency up to which a grey picture ``uint8 [H, W]`` has detail, as a share of the
    highest that its pixels can hold, in the direction that has more of it. None of one colour, and
    below 32 pixels a side.

    The power of natural pictures falls by the square of the frequency (Field 1987). Multiplied by
    it, their spectrum is flat up to where detail ends, and 0.9 of that lie below 0.9 of the end:
    one enlarged twice has about 0.5, whatever the interpolation, and one that is blurred less
    still. Noise that was added later, and coarse compression, count as detail.
    """
    if min(gray.shape) < _LEAST:
        return None
    found = [_along_rows(gray), _along_rows(gray.T)]
    known = [each for each in found if each is not None]
    return max(known, default=None)


def _along_rows(gray: np.ndarray) -> float | None:
    rows = gray[:: -(-gray.shape[0] // _ROWS)].astype(np.float32)
    size = min(_WINDOW, rows.shape[1])
    count = rows.shape[1] // size
    # of steps, for the ends of a row are no step from one to the other
    steps = np.diff(rows[:, : count * size].reshape(-1, size), axis=1)
    window = np.hanning(size - 1).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(steps * window, axis=1))).mean(axis=0)
    frequency = np.linspace(0, 1, len(power))
    of_steps = np.square(2 * np.sin(frequency * np.pi / 2))
    of_steps[0] = 1.0
    rounding = _ROUNDING * float(np.square(window).sum())
    flat = np.square(frequency) * (power / of_steps - rounding).clip(0.0)
    below = np.cumsum(flat)
    if not below[-1] > 0:
        return None
    return min(1.0, float(np.interp(_SHARE * below[-1], below, frequency)) / _SHARE)


EFFECTIVE_RESOLUTION = Signal(
    name="effective_resolution",
    of="image",
    reads="full_gray",
    gives={
        "effective_resolution": share(
            "share of its width and height that detail fills; 0.5 of a picture enlarged twice,"
            " less of a blurred one"
        )
    },
    function=effective_resolution,
)
