"""Calibration, intervals, worth and areas on tables whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from modalmill.stages.train.metrics.statistics import (
    area,
    bootstrap_means,
    calibration_error,
    confidence_bins,
    interval,
    shapley,
)


def test_calibration_error_of_known_tables() -> None:
    sure = np.full(100, 0.9)
    right = np.array([1.0] * 70 + [0.0] * 30)
    assert calibration_error(sure, right, np.ones(100)) == pytest.approx(0.2)
    assert calibration_error(sure, right, (right > 0).astype(float)) == pytest.approx(0.1)
    assert calibration_error(
        np.array([0.25, 0.75]), np.array([0.0, 1.0]), np.ones(2)
    ) == pytest.approx(0.25)


def test_the_bins_of_a_reliability_diagram_add_up_to_the_calibration_error() -> None:
    random = np.random.default_rng(1)
    confidence = np.append(random.random(500), [0.0, 1.0])
    score, weight = random.random(502) < confidence**2, random.integers(0, 2, 502)
    asked = confidence, score.astype(float), weight.astype(float)
    rows, mean, right = confidence_bins(*asked)
    assert rows.sum() == weight.sum()
    gap = np.nansum(rows * np.abs(mean - right)) / rows.sum()
    assert gap == pytest.approx(calibration_error(*asked))
    edges = np.arange(16) / 15
    known = rows > 0
    assert ((mean >= edges[:-1]) & (mean <= edges[1:]))[known].all()


def test_bootstrap_intervals_are_those_of_the_normal_distribution() -> None:
    random = np.random.default_rng(0)
    values = np.stack([random.random(2000) < 0.3, random.random(2000) < 0.3], 1).astype(float)
    means = bootstrap_means(values, np.ones(2000))
    for place in range(2):
        low, high = interval(means[:, place])
        half = 1.96 * (values[:, place].std() / 2000**0.5)
        assert (high - low) / 2 == pytest.approx(half, rel=0.1)
        assert (high + low) / 2 == pytest.approx(values[:, place].mean(), abs=0.003)
    assert bootstrap_means(values[:, :1], np.ones(2000)).tolist() == means[:, :1].tolist(), (
        "columns see the same resamples"
    )


def test_the_shapley_value_is_efficient_symmetric_and_gives_a_dummy_nothing() -> None:
    def value(subset: tuple[bool, ...]) -> Any:
        a, b, _ = subset
        return np.array([a * b * 1.0, a + b + 0.0])

    one, other, dummy = shapley(3, value)
    assert one.tolist() == other.tolist() == [0.5, 1.0]
    assert dummy.tolist() == [0.0, 0.0]
    assert (one + other + dummy).tolist() == (
        value((True, True, True)) - value((False, False, False))
    ).tolist()


def test_the_area_of_a_curve_is_its_mean_height() -> None:
    assert area({0.0: 1.0, 1.0: 0.0}) == 0.5
    assert area({0.0: 1.0, 0.5: 1.0, 0.9: 0.6}) == pytest.approx((0.5 + 0.4 * 0.8) / 0.9)
