"""By how much a sound lies behind its pictures, told from how much happens in each over time, and
how sure that is.

Pictures and sounds are taken in stretches of some seconds. Those of one recording, or of a group of
clips that were made alike, are a pool: one offset for all. The normalised cross-correlation of each
stretch of pictures with its own sound, averaged over the pool, is highest at the offset (Hershey &
Movellan 1999 found talkers so). How high it gets where nothing belongs together is told by the same
pictures with the sounds in another order, or with sounds of others (a permutation test; Phipson &
Smyth 2010 for its p-value); what all recordings have in common, as a silence before each sentence,
is then in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

HOP_S = 0.02
_LEAST_OVERLAP = 0.5  # of a stretch of pictures
_LEAST_SPREAD = 1e-6  # variance of what stands still
_ONE_PEAK = 8  # hops: what is nearer to the peak is of it
_TIES = 1e-9
_RESAMPLES, _LEAST_RESAMPLED = 200, 6
_CLOSE = 2  # hops
_STEADY = 0.8
_FASTEST_DRIFT = 1.2e-3  # seconds a second; 24 frames a second shown at 23.976 drift by 1e-3
_DRIFT_STEP_S = 0.02
_LEAST_DRIFT_S = 0.08  # from the first stretch to the last


class Offset(NamedTuple):
    """offset_s: by how much the sound is late, in the middle of a recording that drifts.
    confidence: 1 - p; where less than four of five resamples agree on the offset, their share.
    drift: by how much later the sound gets, in seconds a second.
    """

    offset_s: float
    confidence: float
    drift: float = 0.0


def correlations(motion: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The correlation ``[P, S, L]`` of each stretch of pictures ``[P, N]`` with each of sound
    ``[S, N + L - 1]`` at each lag; NaN of either is nothing there, and so are lags at which less
    than half of a stretch of pictures has sound. Zero where one of both stands still.

        pictures        |=========|
        sound       |.......|=========|.......|      lag (L - 1) / 2: they begin together
    """
    has_v, v = _centred(motion)
    has_a, a = _centred(level)

    def sums(sounds: np.ndarray, *pictures: np.ndarray) -> np.ndarray:
        slid = np.lib.stride_tricks.sliding_window_view(sounds, motion.shape[1], axis=1)
        flat = np.concatenate(pictures) @ slid.reshape(-1, motion.shape[1]).T
        return np.asarray(flat.reshape(len(pictures), len(motion), len(level), -1))

    count, sum_v, squares_v = sums(has_a, has_v, v, v * v)
    sum_a, products = sums(a, has_v, v)
    (squares_a,) = sums(a * a, has_v)
    enough = count >= np.maximum(1.0, _LEAST_OVERLAP * has_v.sum(1))[:, None, None]
    count = np.maximum(count, 1.0)
    of_v, of_a = sum_v / count, sum_a / count
    spread_v, spread_a = squares_v / count - of_v**2, squares_a / count - of_a**2
    moves = (spread_v > _LEAST_SPREAD) & (spread_a > _LEAST_SPREAD)
    both = np.sqrt(np.where(moves, spread_v * spread_a, 1.0))
    result = np.where(moves, (products / count - of_v * of_a) / both, 0.0)
    return np.where(enough, result, np.nan)


def _centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether there is a value, as 0.0 and 1.0, and the values less the mean of their row, 0 where
    there is none.
    """
    has = np.isfinite(values)
    filled = np.where(has, values, 0.0).astype(np.float64)
    means = filled.sum(1) / np.maximum(1, has.sum(1))
    return has.astype(np.float64), np.where(has, filled - means[:, None], 0.0)


def permutations(count: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Ways ``[M, K]`` to give so many stretches their own sounds in any order. Some get their own,
    by chance: with these left out the test would be wrong, for sounds that fit well by chance would
    be missing from what they are held against.
    """
    return rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)


def offset_of_pool(
    curves: np.ndarray,
    draws: np.ndarray,
    lags: int,
    rng: np.random.Generator,
    middles_s: np.ndarray | None = None,
) -> Offset:
    """The offset of a pool, from the correlations ``[K, S, L]`` of its K stretches with sounds, of
    which the first K are their own; of the L lags the middle ``lags`` are looked at.

    draws: which sounds ``[M, K]`` the stretches get in place of theirs. middles_s: when the
        stretches ``[K]`` are, where the sound may also drift.
    """
    each = np.arange(len(curves))
    best, drift, chosen = np.full(lags, -2.0), 0.0, curves[each, each, :lags]
    highest = np.full(len(draws), -2.0)
    for slope, places in _slopes(curves.shape[2], lags, len(curves), middles_s):
        slid = np.take_along_axis(curves, places[:, None], 2)
        highest = np.maximum(highest, _mean_of(slid, draws).max(1))
        own = slid[each, each]
        curve = _mean_of(slid, each[None])[0]
        if curve.max() > best.max() + _TIES:
            best, drift, chosen = curve, slope, own
    at = int(best.argmax())
    if best[at] <= 0 or at in (0, lags - 1):  # nothing, or what is sought lies further away
        return Offset(0.0, 0.0)
    confidence = _confidence(best[at], highest)
    if len(curves) >= _LEAST_RESAMPLED:
        steady = _agreement(chosen, at, rng)
    else:
        rival = best[np.abs(np.arange(lags) - at) > _ONE_PEAK].max(initial=-2.0)
        steady = 1.0 - _confidence(rival, highest)
        steady = 1.0 if steady > 1 - _STEADY else steady
    if steady < _STEADY:
        confidence = min(confidence, steady)
    if middles_s is not None and abs(drift) * np.ptp(middles_s) < _LEAST_DRIFT_S:
        drift = 0.0
    return Offset((at - lags // 2) * HOP_S, confidence, drift)


def _confidence(value: float, highest: np.ndarray) -> float:
    """1 - p of a value that belongs to those of strangers if nothing is there."""
    return 1.0 - (1 + int((highest >= value - _TIES).sum())) / (1 + len(highest))


def _agreement(curves: np.ndarray, at: int, rng: np.random.Generator) -> float:
    """The share of resamples of the stretches ``[K, lags]`` that have their peak within 40 ms of
    the place ``at`` (bootstrap, Efron 1979).
    """
    weights = rng.multinomial(len(curves), np.full(len(curves), 1 / len(curves)), _RESAMPLES)
    count = np.maximum(weights @ np.isfinite(curves), 1)
    peaks = (weights @ np.nan_to_num(curves) / count).argmax(1)
    return float((np.abs(peaks - at) <= _CLOSE).mean())


def _slopes(
    width: int, lags: int, count: int, middles_s: np.ndarray | None
) -> Iterator[tuple[float, np.ndarray]]:
    """The drifts that are tried, none first, each with the places ``[K, lags]`` of the lags that
    it means for each stretch.
    """
    base = np.arange(lags) + (width - lags) // 2
    yield 0.0, np.tile(base, (count, 1))
    if middles_s is None:
        return
    apart = middles_s - (middles_s.min() + middles_s.max()) / 2
    reach = float(np.abs(apart).max())
    # no further than there are lags
    furthest = min(drift_reach_s(2 * reach), (width - lags) // 2 * HOP_S)
    steps = int(furthest * 2 / _DRIFT_STEP_S)
    for step in range(1, steps + 1):
        for slope in (step * _DRIFT_STEP_S / (2 * reach), -step * _DRIFT_STEP_S / (2 * reach)):
            hops = np.rint(slope * apart / HOP_S).astype(int)
            yield slope, base + hops[:, None]


def drift_reach_s(length_s: float) -> float:
    """By how much the offset can differ at either end from that in the middle, in seconds."""
    return _FASTEST_DRIFT * length_s / 2


def _mean_of(curves: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """The mean ``[M, L]`` over stretches of their curves ``[K, S, L]`` with the sounds ``[M, K]``,
    of those that are there; -1 where not half of them are.
    """
    filled, has = np.nan_to_num(curves), np.isfinite(curves)
    total = np.zeros((len(sounds), curves.shape[2]))
    count = np.zeros((len(sounds), curves.shape[2]), np.int32)
    # stretch by stretch: all at once are more numbers than a cache holds
    for stretch, chosen in enumerate(sounds.T):
        total += filled[stretch, chosen]
        count += has[stretch, chosen]
    return np.where(2 * count >= len(curves), total / np.maximum(1, count), -1.0)
