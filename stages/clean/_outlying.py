"""Which of many values, or rows of values, lie apart from the others: plain functions of arrays.

``typical`` are the rows that say what is usual, ``values`` those that are judged; both are finite.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..base import MAD_TO_DEVIATION

_TREES, _SAMPLED = 100, 256  # of a forest, and rows for each tree (Liu et al. 2008, 4.2)


class Usual(NamedTuple):
    """The interval [low, high] of what is usual."""

    low: float
    high: float


def within_deviations(typical: np.ndarray, deviations: float) -> Usual:
    """The median and ``deviations`` robust standard deviations around it: 1.4826 times the median
    absolute deviation (Hampel 1974), the standard deviation where that is zero.
    """
    median, scale = np.median(typical), robust_deviation(typical)
    return Usual(float(median - deviations * scale), float(median + deviations * scale))


def within_fences(typical: np.ndarray, fences: float) -> Usual:
    """From the first quartile less ``fences`` interquartile ranges to the third and as many
    (Tukey 1977).
    """
    first, third = np.quantile(typical, [0.25, 0.75])
    reach = fences * (third - first)
    return Usual(float(first - reach), float(third + reach))


def neighbour_distances(typical: np.ndarray, values: np.ndarray, neighbours: int) -> np.ndarray:
    """How far each row ``[N, C]`` is from its k-th nearest typical row but itself (Ramaswamy et al.
    2000) ``[N]``, columns in robust standard deviations; the farthest where there are fewer.
    """
    from scipy.spatial import cKDTree

    centre = np.median(typical, axis=0)
    scale = np.array([robust_deviation(column) or 1.0 for column in typical.T])
    tree = cKDTree((typical - centre) / scale)
    scaled = (values - centre) / scale
    # a row that is typical itself is its own nearest
    itself = tree.query(scaled, 1)[0] == 0
    most = min(neighbours + 1, len(typical))
    distances = tree.query(scaled, list(range(1, most + 1)))[0]
    own = np.where(itself, most, min(neighbours, most)) - 1
    return np.asarray(distances[np.arange(len(values)), own], np.float64)


def usual_distance(distances: np.ndarray, deviations: float) -> float:
    """The distance up to which one is usual: as many robust standard deviations above the median,
    on a logarithmic scale where most are above zero (they spread by factors, and many are short).
    """
    if np.median(distances) == 0:
        return within_deviations(distances, deviations).high
    return math.exp(within_deviations(np.log(distances[distances > 0]), deviations).high)


def isolation(typical: np.ndarray, values: np.ndarray, seed: int) -> np.ndarray:
    """How soon random cuts of the typical rows set each row apart (isolation forest, Liu et al.
    2008) ``[N]``, in (0, 1]: about 0.5 for all where none lies apart, near 1 for one that does.
    """
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=_TREES, max_samples=min(_SAMPLED, len(typical)), random_state=seed, n_jobs=1
    )
    return np.asarray(-forest.fit(typical).score_samples(values), np.float64)


def robust_deviation(values: np.ndarray) -> float:
    """1.4826 times the median absolute deviation, the standard deviation where that is zero."""
    distance = np.abs(values - np.median(values))
    return float(MAD_TO_DEVIATION * np.median(distance) or values.std())
