"""Bands of frequency and spans of time taken out of a sound itself, so that every spectrogram of it
has them masked (SpecAugment, Park et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_DEEP_DB = 90.0  # what is left of a band
_EDGE_HZ = 40.0  # from untouched to gone, half of it on each side of where a band ends
_FADE_S = 0.005
_LEAST_DEEP_DB = 8.0


def without_bands(
    samples: np.ndarray, rate_hz: int, bands: Sequence[tuple[float, float]]
) -> np.ndarray:
    """The sound ``[T]`` or ``[T, C]`` without what lies between these hertz, ``(low, high)`` each;
    frequencies above half the rate there are none.

    A filter whose impulse response is even takes them out, which shifts nothing in time: the ideal
    one through a Kaiser window, 90 dB deep and 40 Hz from edge to edge.
    """
    import scipy.signal  # late: it takes a second

    bands = [(low, min(high, rate_hz / 2)) for low, high in _united(bands) if low < rate_hz / 2]
    if not bands:
        return samples
    response = _stop_response(rate_hz, bands)
    shaped = response.reshape(-1, *[1] * (samples.ndim - 1))
    before = len(response) // 2
    heard = scipy.signal.oaconvolve(samples, shaped, axes=0)[before : before + len(samples)]
    return np.asarray(heard, np.float32)


def without_spans(
    samples: np.ndarray, rate_hz: int, spans: Sequence[tuple[float, float]]
) -> np.ndarray:
    """The sound ``[T]`` or ``[T, C]``, silent in these spans [start, end) of seconds. It fades out
    and in for 5 ms within a span, for half of one that is shorter than 10 ms; outside of them no
    sample is changed.
    """
    level = np.ones(len(samples), np.float32)
    for start_s, end_s in spans:
        begin, end = round(start_s * rate_hz), min(round(end_s * rate_hz), len(samples))
        length = max(0, end - begin)
        fade = min(round(_FADE_S * rate_hz), length // 2)
        falling = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / (fade + 1))
        own = np.concatenate([falling, np.zeros(length - 2 * fade), falling[::-1]])
        level[begin:end] = np.minimum(level[begin:end], own)
    return np.asarray(samples * level.reshape(-1, *[1] * (samples.ndim - 1)))


def _united(bands: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The bands in order, those that overlap as one."""
    united: list[tuple[float, float]] = []
    for low, high in sorted(bands):
        if high <= low:
            continue
        if united and low <= united[-1][1]:
            united[-1] = (united[-1][0], max(high, united[-1][1]))
        else:
            united.append((low, high))
    return united


def _stop_response(rate_hz: int, bands: Sequence[tuple[float, float]]) -> np.ndarray:
    """The impulse response ``float64 [T]``, T odd, of what takes bands out that do not overlap."""
    # Kaiser 1974: how long it is for so deep and so steep, and how its window is shaped
    steep = 2 * math.pi * _EDGE_HZ / rate_hz
    half = math.ceil((_DEEP_DB - _LEAST_DEEP_DB) / (2.285 * steep) / 2)
    places = np.arange(-half, half + 1)
    ideal = np.zeros(len(places))
    for low, high in bands:
        for edge, sign in ((high, 1), (low, -1)):
            twice = 2 * edge / rate_hz
            ideal += sign * twice * np.sinc(twice * places)
    response = -ideal * np.kaiser(len(places), 0.1102 * (_DEEP_DB - 8.7))
    response[half] += 1.0
    return np.asarray(response)
