"""The noise of pictures to which noise of a known deviation was added."""

from __future__ import annotations

import numpy as np
import pytest
from modalmill.stages.modalities.image.signals.noise import noise
from tiny import picture


@pytest.mark.parametrize("deviation", [2.0, 5.0, 10.0, 25.0])
def test_white_noise_on_a_slope_has_its_deviation(deviation: float) -> None:
    slope = np.linspace(90, 160, 400)[:, None] + np.zeros((1, 400))
    noisy = slope + np.random.default_rng(5).normal(0, deviation, slope.shape)
    found = noise(noisy.round().clip(0, 255).astype(np.uint8))
    # rounding adds a deviation of 1 / sqrt(12); of 625 blocks the tenth is known to about 1 %
    assert found == pytest.approx(np.hypot(deviation, 12**-0.5), rel=0.04)


def test_edges_and_texture_in_half_of_a_picture_are_no_noise() -> None:
    half = np.random.default_rng(2).integers(0, 256, (256, 128)).astype(np.uint8)
    smooth = picture(256, 128)[..., 1]
    assert noise(np.hstack([half, smooth])) < 1
    checks = np.kron(np.indices((16, 16)).sum(0) % 2 * 200, np.ones((20, 20)))
    assert noise(checks.astype(np.uint8)) == pytest.approx(0.0, abs=0.1)


def test_where_light_and_dark_cut_noise_off_it_is_not_looked_at() -> None:
    grey = np.where(np.arange(256) < 128, 128, 255)[:, None] + np.zeros((1, 256))
    noisy = grey + np.random.default_rng(4).normal(0, 10, grey.shape)
    assert noise(noisy.clip(0, 255).astype(np.uint8)) == pytest.approx(10, rel=0.06)


def test_of_less_than_a_block_it_is_not_known() -> None:
    assert noise(np.zeros((15, 100), np.uint8)) is None
