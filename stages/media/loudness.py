"""Loudness as ITU-R BS.1770-4 and EBU Tech 3342 define it, and the peak between samples.

Power is kept of each 100 ms, after the K-weighting, which is a shelf for the head and a high-pass;
loudness is made of overlapping blocks of it: of 0.4 s for the integrated one, of 3 s for its range.
"""

from __future__ import annotations

import functools
import math

import numpy as np

HOP_S = 0.1
_OFFSET_LU = -0.691
_GATE_LUFS, _RELATIVE_GATE_LU, _RANGE_GATE_LU = -70.0, -10.0, -20.0
_BLOCK, _SHORT_TERM = 4, 30  # of 100 ms
_RANGE_QUANTILES = (0.1, 0.95)
# the filters at any rate, fitted to those that the recommendation gives for 48 kHz
_SHELF_HZ, _SHELF_DB, _SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
_SHELF_SLOPE = 0.4996667741545416
_HIGHPASS_HZ, _HIGHPASS_Q = 38.13547087602444, 0.5003270373238773
# of channels in the order of WAVE: those behind count 1.5 dB more, the one for effects not at all
_BEHIND = 1.41
_WEIGHTS = {
    4: (1.0, 1.0, _BEHIND, _BEHIND),
    5: (1.0, 1.0, 1.0, _BEHIND, _BEHIND),
    6: (1.0, 1.0, 1.0, 0.0, _BEHIND, _BEHIND),
    8: (1.0, 1.0, 1.0, 0.0, *[_BEHIND] * 4),
}
_AT_ONCE_S = 10.0
_OVERSAMPLED_AT_ONCE_S = 1.0  # what is made of it stays in the cache of the core
_OVERSAMPLED_HZ = 176_400  # 4 times the usual rates, as BS.1770 has it; more of low ones


def k_weighted_power(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """The mean power of each whole 100 ms of samples ``[T, C]``, K-weighted, summed over the
    channels with their weights ``float32 [F]``.
    """
    import scipy.signal  # late: it takes a second

    channels = samples.shape[1]
    weights = np.array(_WEIGHTS.get(channels, (1.0,) * channels))
    filters = k_weighting(rate_hz)
    state = np.zeros((len(filters), 2, channels))
    power = [np.zeros(0)]
    edges = np.round(np.arange(int(len(samples) / rate_hz / HOP_S + 1e-9) + 1) * HOP_S * rate_hz)
    many = round(_AT_ONCE_S / HOP_S)
    for first in range(0, len(edges) - 1, many):
        own = edges[first : first + many + 1].astype(int)
        piece = samples[own[0] : own[-1]].astype(np.float64)
        heard, state = scipy.signal.sosfilt(filters, piece, axis=0, zi=state)
        sums = np.add.reduceat(np.square(heard) @ weights, own[:-1] - own[0])
        power.append(sums / np.diff(own))
    return np.concatenate(power).astype(np.float32)


@functools.lru_cache(maxsize=16)
def k_weighting(rate_hz: int) -> np.ndarray:
    """The two filters of BS.1770 as second-order sections ``[2, 6]``."""
    k = math.tan(math.pi * _SHELF_HZ / rate_hz)
    high = 10 ** (_SHELF_DB / 20)
    band = high**_SHELF_SLOPE
    ahead = np.array(
        [high + band * k / _SHELF_Q + k * k, 2 * (k * k - high), high - band * k / _SHELF_Q + k * k]
    )
    back = np.array([1 + k / _SHELF_Q + k * k, 2 * (k * k - 1), 1 - k / _SHELF_Q + k * k])
    low = math.tan(math.pi * _HIGHPASS_HZ / rate_hz)
    behind = np.array(
        [1 + low / _HIGHPASS_Q + low * low, 2 * (low * low - 1), 1 - low / _HIGHPASS_Q + low * low]
    )
    shelf = np.concatenate([ahead, back]) / back[0]
    return np.stack([shelf, np.concatenate([[1.0, -2.0, 1.0], behind / behind[0]])])


def loudness_lufs(power: np.ndarray) -> float:
    """The integrated loudness of K-weighted power by 100 ms ``[F]``: of blocks of 0.4 s above
    -70 LUFS, those no more than 10 LU below the mean of these; NaN where there is none.
    """
    blocks = _means(power, _BLOCK)
    blocks = blocks[blocks > _power_of(_GATE_LUFS)]
    if not len(blocks):
        return math.nan
    gate = _power_of(_lufs(blocks.mean()) + _RELATIVE_GATE_LU)
    return _lufs(blocks[blocks > gate].mean())


def loudness_range_lu(power: np.ndarray) -> float:
    """The loudness range of K-weighted power by 100 ms ``[F]``: from the 10th to the 95th
    percentile of blocks of 3 s that are above -70 LUFS and no more than 20 LU below the mean of
    these; NaN where there is none.
    """
    blocks = _means(power, _SHORT_TERM)
    blocks = blocks[blocks > _power_of(_GATE_LUFS)]
    if not len(blocks):
        return math.nan
    gate = _power_of(_lufs(blocks.mean()) + _RANGE_GATE_LU)
    low, high = np.quantile(blocks[blocks > gate], _RANGE_QUANTILES)
    return _lufs(high) - _lufs(low)


def _means(power: np.ndarray, count: int) -> np.ndarray:
    """The means of so many values in a row ``[F - count + 1]``."""
    if len(power) < count:
        return np.zeros(0)
    sums = np.cumsum(np.concatenate([[0.0], power]))
    return np.asarray(sums[count:] - sums[:-count]) / count


def _lufs(power: float) -> float:
    return _OFFSET_LU + 10 * math.log10(max(float(power), 1e-30))


def _power_of(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_LU) / 10))


def true_peaks(samples: np.ndarray, rate_hz: int, frame: int) -> np.ndarray:
    """The largest absolute value between the samples ``[T, C]`` of each ``frame`` of them, of any
    channel ``float32 [F]``: at 176.4 kHz or a little more (BS.1770-4, Annex 2), by soxr.
    """
    times = max(1, math.ceil(_OVERSAMPLED_HZ / rate_hz))
    if times == 1:
        return _frame_peaks(samples, frame)
    import soxr  # late: who has no sound needs none of it

    stream = soxr.ResampleStream(
        rate_hz, times * rate_hz, samples.shape[1], dtype="float32", quality="HQ"
    )
    step = round(_OVERSAMPLED_AT_ONCE_S * rate_hz)
    peaks, rest = [], np.zeros((0, samples.shape[1]), np.float32)
    for first in range(0, len(samples), step):
        piece = np.ascontiguousarray(samples[first : first + step], np.float32)
        denser = stream.resample_chunk(piece, last=first + step >= len(samples))
        rest = np.concatenate([rest, denser.reshape(-1, samples.shape[1])])
        whole = len(rest) // (frame * times) * frame * times
        peaks.append(_frame_peaks(rest[:whole], frame * times))
        rest = rest[whole:]
    peaks.append(_frame_peaks(rest, frame * times))
    return np.concatenate(peaks)[: -(-len(samples) // frame)]


def _frame_peaks(samples: np.ndarray, frame: int) -> np.ndarray:
    if not len(samples):
        return np.zeros(0, np.float32)
    highest = functools.reduce(np.maximum, np.abs(samples).T)
    return np.asarray(np.maximum.reduceat(highest, np.arange(0, len(highest), frame)))
