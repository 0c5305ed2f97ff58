"""How much mains hum there is in a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal

if TYPE_CHECKING:
    from ..heard import Heard

_MAINS_HZ = (50, 60)
_HARMONICS = 8
_RATE_HZ = 2000
_WINDOW_S, _HOP_S, _SHORTEST_S = 1.0, 0.25, 2.0
_LINE, _NEIGHBOURS = 2, 12  # bins of 1 Hz on both sides: of a line, and of what is held against it
_STANDS_OUT_DB = 10.0
_STEADY = 0.25  # quantile over time: a voice passes a harmonic, hum stays
_FLOOR_DB = -120.0


def hum(heard: Heard) -> Mapping[str, float]:
    """The level in dBFS of the lines at 50 or 60 Hz and their first harmonics, of which there is
    more, and which of the two; -120 and nothing where none stands 10 dB above what lies beside it
    for three quarters of the time. Nothing of less than two seconds.
    """
    slow = heard.sound.mono(_RATE_HZ)
    size, hop = round(_WINDOW_S * _RATE_HZ), round(_HOP_S * _RATE_HZ)
    if len(slow) < _SHORTEST_S * _RATE_HZ:
        return {}
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(slow, size)[::hop]
    power = np.stack([_power(frame * window) for frame in frames]) / np.square(window).sum() / size
    steady = np.quantile(power, _STEADY, axis=0) * 2  # both halves of the spectrum
    lines = {mains: _lines(steady, mains) for mains in _MAINS_HZ}
    mains = max(lines, key=lambda each: lines[each])
    if not lines[mains]:
        return {"hum_db": _FLOOR_DB}
    return {"hum_db": max(_FLOOR_DB, 10 * float(np.log10(lines[mains]))), "hum_hz": float(mains)}


def _power(frame: np.ndarray) -> np.ndarray:
    """The power of each hertz up to half the slow rate."""
    return np.asarray(np.square(np.abs(np.fft.rfft(frame))))


def _lines(power: np.ndarray, mains_hz: int) -> float:
    """The power of the harmonics that stand out, of a spectrum by hertz ``[B]``; 0 where neither
    the first nor the second one does.
    """
    total = 0.0
    for number in range(1, _HARMONICS + 1):
        place = number * mains_hz
        around = power[place - _NEIGHBOURS : place + _NEIGHBOURS + 1]
        beside = np.delete(around, range(_NEIGHBOURS - _LINE, _NEIGHBOURS + _LINE + 1))
        line = around[_NEIGHBOURS - _LINE : _NEIGHBOURS + _LINE + 1]
        floor = float(np.median(beside))
        if line.max() > floor * 10 ** (_STANDS_OUT_DB / 10):
            total += max(0.0, float(line.sum()) - len(line) * floor)
        elif number == 2 and not total:
            return 0.0
    return total


HUM = Signal(
    name="hum",
    of="audio",
    of_file=True,
    gives={
        "hum_db": Quantity(
            "level of mains hum and its harmonics, -120 for none, of the file", "dBFS", _FLOOR_DB
        ),
        "hum_hz": Quantity(
            "frequency of the mains, 50 or 60, where there is hum", "Hz", 50.0, 60.0, is_code=True
        ),
    },
    function=hum,
)
