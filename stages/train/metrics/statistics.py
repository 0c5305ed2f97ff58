"""Numbers about answers: calibration, intervals, and what each part is worth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np

from ....schemas.arrays import Float64s

ECE_BINS = 15
_DRAWS = 1000
_AT_ONCE = 2_000_000


def calibration_error(
    confidence: Float64s, score: Float64s, weight: Float64s, bins: int = ECE_BINS
) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017): mean gap of confidence and
    score over bins of equal width.

    >>> calibration_error(np.array([0.8] * 10), np.array([1.0] * 8 + [0.0] * 2), np.ones(10)) < 1e-9
    True
    """
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    total = weight.sum()
    gaps = [
        abs(float(((score - confidence) * weight)[place == number].sum())) for number in range(bins)
    ]
    return float(sum(gaps) / total) if total > 0 else math.nan


def confidence_bins(
    confidence: Float64s, score: Float64s, weight: Float64s, bins: int = ECE_BINS
) -> tuple[Float64s, Float64s, Float64s]:
    """Rows, mean confidence and mean score of each bin of :func:`calibration_error` ``[bins]``,
    NaN where it has no rows: a reliability diagram (DeGroot & Fienberg 1983).
    """
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    rows, sums, scores = (
        np.bincount(place, values * weight, bins)
        for values in (np.ones(len(place)), confidence, score)
    )
    with np.errstate(invalid="ignore"):
        return rows.astype(np.float64), sums / rows, scores / rows


def bootstrap_means(
    values: Float64s, weight: Float64s, seed: int = 0, draws: int = _DRAWS
) -> Float64s:
    """Means ``[draws, K]`` of K columns of ``values [N, K]`` under resampling of their rows (Efron
    1979).

    Every column sees the same resamples, so that differences between columns are paired.
    """
    random = np.random.default_rng(seed)
    rows = len(values)
    means = np.empty((draws, values.shape[1]))
    # all at once would take a number for each draw and row
    step = max(1, _AT_ONCE // max(1, rows))
    for begin in range(0, draws, step):
        count = min(step, draws - begin)
        # how often each row is drawn is enough: a product takes the place of copies
        times = random.multinomial(rows, np.full(rows, 1 / rows), size=count) * weight
        means[begin : begin + count] = (
            times @ values / np.maximum(times.sum(1, keepdims=True), 1e-12)
        )
    return means


def interval(means: Float64s) -> tuple[float, float]:
    """The middle 95 % of resampled means."""
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def shapley(parts: int, value: Callable[[tuple[bool, ...]], float]) -> list[float]:
    """What each of M parts is worth, exactly: the Shapley value (1953) of ``value(subset)`` over
    all 2^M subsets.

    The values add up to ``value(all) - value(none)``; ``value`` may give an array, of one game a
    row.
    """
    worths = []
    for part in range(parts):
        others = [place for place in range(parts) if place != part]
        total = 0.0
        for size in range(parts):
            # the share of orders of the parts in which just these come before this one
            share = math.factorial(size) * math.factorial(parts - size - 1) / math.factorial(parts)
            for chosen in itertools.combinations(others, size):
                without = tuple(place in chosen for place in range(parts))
                total = total + share * (
                    value(tuple(place in chosen or place == part for place in range(parts)))
                    - value(without)
                )
        worths.append(total)
    return worths


def area(curve: Mapping[float, float]) -> float:
    """The mean height of a curve over its range, by trapezes."""
    x = sorted(curve)
    if len(x) < 2:
        return next(iter(curve.values()))
    return sum((b - a) * (curve[a] + curve[b]) / 2 for a, b in itertools.pairwise(x)) / (
        x[-1] - x[0]
    )
