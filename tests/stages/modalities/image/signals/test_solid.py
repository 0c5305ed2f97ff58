"""How much of a picture is of one colour."""

from __future__ import annotations

import numpy as np
import pytest
from modalmill.stages.modalities.image.signals.solid import solid
from tiny import picture


@pytest.mark.parametrize("share", [0.6, 0.75, 1.0])
def test_it_is_the_share_of_the_colour_that_most_of_the_picture_has(share: float) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (100, 100, 3)).astype(np.uint8)
    pixels[: round(100 * share)] = (200, 40, 90)
    # of the others one in 500 is within 8 of a colour in all channels
    assert solid(pixels) == pytest.approx(share, abs=0.003)


def test_what_compression_leaves_of_one_colour_is_that_colour() -> None:
    pixels = np.full((64, 64, 3), (30, 180, 255), np.int16)
    pixels += np.random.default_rng(0).integers(-8, 9, pixels.shape, np.int16)
    assert solid(pixels.clip(0, 255).astype(np.uint8)) > 0.99
    assert solid(picture()) < 0.2
