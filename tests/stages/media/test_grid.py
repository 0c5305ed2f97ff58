"""Values brought onto a grid: numbers within the bound of theory, states and labels exactly, and
nothing in gaps.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.media.grid import on_grid

GRID = np.arange(250) / 25


def sine(times: np.ndarray, hertz: float) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * hertz * times + 0.7))


@pytest.mark.parametrize("rate_hz", [30, 100])
@pytest.mark.parametrize("hertz", [0.3, 1.0, 3.0])
def test_a_sine_stays_within_the_error_of_linear_interpolation(rate_hz: int, hertz: float) -> None:
    times = np.arange(10 * rate_hz) / rate_hz
    found, has_gap = on_grid(times, sine(times, hertz), GRID, 1 / rate_hz)
    # h^2 / 8 max |f''| of a line between two values, and 60 dB of the filter
    bound = (2 * np.pi * hertz / rate_hz) ** 2 / 8 + 1e-3
    assert np.abs(found - sine(GRID, hertz)).max() <= bound
    assert not has_gap


@pytest.mark.parametrize("hertz", [13.0, 20.0, 37.0])
def test_what_is_faster_than_the_grid_is_not_folded_into_it(hertz: float) -> None:
    times = np.arange(1000) / 100
    found, _ = on_grid(times, sine(times, hertz), GRID, 0.01)
    assert np.abs(found[12:-12]).max() < 1e-3


@given(st.integers(0, 2**32), st.sampled_from([10.0, 30.0, 100.0]))
def test_a_line_stays_one_whatever_the_times(seed: int, rate_hz: float) -> None:
    chance = np.random.default_rng(seed)
    times = (np.arange(10 * rate_hz) + chance.uniform(-0.3, 0.3, int(10 * rate_hz))) / rate_hz
    found, _ = on_grid(times, 3 * times - 1, GRID, 1 / rate_hz)
    inside = (times[0] <= GRID) & (times[-1] >= GRID)
    assert np.abs(found - (3 * GRID - 1))[inside].max() < 1e-6


def test_a_gap_stays_missing_to_the_row_and_is_told() -> None:
    times = np.arange(1000) / 100
    there = (times <= 3.0) | (times >= 5.0)
    for kind in ("linear", "hold", "nearest"):
        found, has_gap = on_grid(times[there], times[there], GRID, 0.01, 0.5, kind)  # type: ignore[arg-type]
        assert (np.isnan(found) == ((GRID > 3.0) & (GRID < 5.0))).all(), kind
        assert has_gap
        bridged, told = on_grid(times[there], times[there], GRID, 0.01, 2.5, kind)  # type: ignore[arg-type]
        assert np.isfinite(bridged).all()
        assert not told
    lost = np.where(there, times, np.nan)
    assert (np.isnan(on_grid(times, lost, GRID, 0.01)[0]) == np.isnan(found)).all(), (
        "a value that is not a number is none"
    )


def test_nothing_is_made_up_before_the_first_value_and_after_the_last() -> None:
    times = 2.0 + np.arange(50) / 10
    found, has_gap = on_grid(times, np.ones(50), GRID, 0.1)
    assert (np.isfinite(found) == ((GRID >= 2.0) & (GRID < 7.0))).all()
    assert not has_gap
    assert np.isnan(on_grid(times, np.full(50, np.nan), GRID, 0.1)[0]).all()


def test_a_state_holds_and_a_class_is_the_nearest() -> None:
    times = np.arange(10.0)
    grid = np.arange(40) / 4
    held, _ = on_grid(times, times, grid, 1.0, None, "hold")
    assert held.tolist() == np.floor(grid).tolist()
    near, _ = on_grid(times, times, grid, 1.0, None, "nearest")
    # of two that are as near the earlier one; behind the last there is no other
    assert near.tolist() == np.minimum(np.ceil(grid - 0.5), 9).tolist()


def test_values_further_apart_than_the_longest_gap_are_there_for_that_long() -> None:
    found, has_gap = on_grid(np.arange(10.0), np.ones(10), GRID, 1.0, 0.5)
    assert (np.isfinite(found) == (GRID % 1.0 < 0.5 - 1e-9)).all()
    assert has_gap
