"""Colour and contrast of pictures of which they are known."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured import measured
from modalmill.stages.modalities.image.signals.color import color
from modalmill.stages.modalities.image.signals.contrast import contrast
from PIL import Image


def test_grey_has_no_colour(tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "a.jpg")
    found = measured(tmp_path / "a.jpg", "image", "color").signals
    assert (found["colorfulness"], found["saturation"]) == (0.0, 0.0)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_has_the_saturation_of_hsv_and_its_distance_from_grey(
    rgb: tuple[int, int, int],
) -> None:
    red, green, blue = rgb
    found = color(np.full((8, 8, 3), rgb, np.uint8))
    assert found["saturation"] == pytest.approx(
        colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[1], abs=1 / 255
    )
    # Hasler & Suesstrunk 2003: nothing varies, so 0.3 of the distance is left
    distance = np.hypot(red - green, (red + green) / 2 - blue)
    assert found["colorfulness"] == pytest.approx(0.3 * distance, abs=1e-3)


def test_red_and_green_halves_are_as_colourful_as_the_formula_says() -> None:
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:5, :, 0] = pixels[5:, :, 1] = 200
    # rg is 200 or -200, yb is 100 throughout
    assert color(pixels)["colorfulness"] == pytest.approx(200 + 0.3 * 100)


@given(st.lists(st.integers(0, 1000), min_size=256, max_size=256).filter(any))
def test_contrast_is_the_deviation_of_the_values(counts: list[int]) -> None:
    values = np.repeat(np.arange(256), counts) / 255
    assert contrast(np.array(counts)) == pytest.approx(values.std(), abs=1e-9)
    assert 0 <= contrast(np.array(counts)) <= 0.5
