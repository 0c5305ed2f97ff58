"""How much of a picture are bars, of pictures that bars were added to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured
from modalmill.stages.modalities.image.signals.border import border
from PIL import Image

BARS = st.integers(0, 60)


def textured(height: int = 200, width: int = 240) -> np.ndarray:
    return np.random.default_rng(1).integers(40, 256, (height, width, 3)).astype(np.uint8)


@settings(max_examples=25)
@given(BARS, BARS, BARS, BARS, st.sampled_from([(0, 0, 0), (255, 255, 255), (9, 90, 20)]))
def test_bars_of_any_width_and_colour_are_measured_to_the_pixel(
    top: int, bottom: int, left: int, right: int, color: tuple[int, int, int]
) -> None:
    pixels = textured()
    framed = cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=color)
    added = 1 - pixels.size / framed.size
    assert border(framed) == pytest.approx(added, abs=1e-9)


def test_bars_are_found_in_a_jpeg_and_in_one_that_is_scaled(tmp_path: Path) -> None:
    photograph = cv2.resize(textured(30, 40), (800, 600), interpolation=cv2.INTER_CUBIC)
    framed = cv2.copyMakeBorder(photograph, 100, 100, 0, 0, cv2.BORDER_CONSTANT)
    for name, more in (("a.jpg", {"quality": 70}), ("a.png", {})):
        Image.fromarray(framed).save(tmp_path / name, **more)
        found = measured(tmp_path / name, "image", "border").signals["border"]
        # a line of the 256 that are looked at is 1/341 of the height
        assert found == pytest.approx(0.25, abs=0.01)


def test_one_colour_is_all_border_and_a_gradual_sky_is_none() -> None:
    assert border(np.full((50, 60, 3), 77, np.uint8)) == 1.0
    horizon = 60 + np.arange(240) // 4
    sky = np.where(np.arange(200)[:, None] < horizon, 255, 0)[..., None]
    pixels = np.maximum(sky, textured() * (sky == 0)).astype(np.uint8)
    assert border(pixels) == 0.0
