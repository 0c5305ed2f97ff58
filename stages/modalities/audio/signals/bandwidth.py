"""Up to which frequency a sound has anything in it, whatever the rate of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .....schemas.quantity import Quantity
from ....media.spectrum import mean_power
from ....signal import Signal

if TYPE_CHECKING:
    from ..heard import Heard

_RESOLUTION_HZ = 20.0
_WIDTHS = 80  # how many of the bands over which it is smoothed make up the spectrum
_ABOVE_FLOOR_DB, _EDGE_DB, _STEEP_DB = 10.0, 10.0, 1.0
_HALF_DB = 6.0  # where a filter lets half of the amplitude pass
_RANGE_DB = 100.0


def bandwidth(heard: Heard) -> Mapping[str, float]:
    """The frequency in hertz at which the mean spectrum drops like behind a filter, by 10 dB or
    more at a dB in each eightieth of it, to the floor on which it stays; half the rate where it
    does not: a recording of 8 kHz in a file of 16 kHz has 4000. Nothing of silence.
    """
    rate = heard.sound.rate_hz
    size = 1 << max(6, round(np.log2(rate / _RESOLUTION_HZ)))
    power = mean_power(heard.mono - heard.mono.mean(), size)[1:-1]
    if power.max(initial=0.0) <= 0:
        return {}
    level = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-_RANGE_DB / 10)))
    width = max(1, len(level) // _WIDTHS)
    smooth = np.convolve(np.pad(level, width // 2, mode="edge"), np.ones(width) / width, "valid")
    edge = _edge(smooth, width)
    return {"bandwidth_hz": rate / 2 if edge is None else (edge + 1) * rate / size}


def _edge(level: np.ndarray, width: int) -> int | None:
    """Where a spectrum in decibels ``[B]`` is 6 dB down on the steep way to its floor; None where
    it has none.
    """
    is_above = level >= level.min() + _ABOVE_FLOOR_DB
    # a single line far up, as of a screen or a pilot tone, is not where the sound ends
    above = np.flatnonzero(np.convolve(is_above, np.ones(4 * width), "same") >= 2 * width)
    if not len(above):
        return None
    top = foot = int(above[-1])
    while top >= 2 * width and level[top - 2 * width] - level[top] >= 2 * _STEEP_DB:
        top -= width
    if level[top] - level[foot] < _EDGE_DB:
        return None
    return int(np.flatnonzero(level >= level[top] - _HALF_DB)[-1])


BANDWIDTH = Signal(
    name="bandwidth",
    of="audio",
    of_file=True,
    gives={
        "bandwidth_hz": Quantity(
            "where the spectrum ends, at most half the rate, of the file", "Hz"
        )
    },
    function=bandwidth,
)
