"""Changes of pictures against scipy, colorsys and arithmetic."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.json_value import JsonValue
from modalmill.schemas.record import Step
from modalmill.stages.media.pixel_changes import (
    affine,
    blur,
    brightness,
    contrast,
    erase,
    hflip,
    hue,
    jpeg,
    saturation,
)
from modalmill.stages.media.steps import apply_to_pixels
from modalmill.stages.modalities.image.signals.blockiness import blockiness
from tiny import natural, picture

STEPS: dict[str, dict[str, JsonValue]] = {
    "hflip": {},
    "brightness": {"factor": 1.2},
    "affine": {"degrees": 20.0, "scale": 1.2, "right": 0.1, "down": -0.05, "shear": 5.0},
    "blur": {"sigma": 0.02},
    "jpeg": {"quality": 15, "side": 24},
    "erase": {"left": 0.2, "top": 0.1, "width": 0.5, "height": 0.3, "seed": 4},
    "hue": {"degrees": 100.0},
    "saturation": {"factor": 0.3},
    "contrast": {"factor": 1.3},
}


@pytest.mark.parametrize("name", STEPS)
def test_frames_are_changed_as_a_picture_is_and_the_given_pixels_stay(name: str) -> None:
    # of which contrast takes one mean, so that nothing flickers
    frames = np.stack([picture(48, 64), picture(48, 64)[::-1]])
    before = frames.copy()
    step = [Step(name, STEPS[name])]
    changed = apply_to_pixels(frames, step)
    assert (frames == before).all()
    assert changed.dtype == np.uint8
    for frame, given_frame in zip(changed, frames, strict=True):
        assert (frame == apply_to_pixels(given_frame, step)).all()
        assert frame.shape != given_frame.shape or (frame != given_frame).any()


def test_a_quarter_turn_is_one_and_a_move_is_one() -> None:
    pixels = picture(60, 60)
    assert (affine(pixels, degrees=90) == np.rot90(pixels, -1)).all()
    assert (affine(pixels) == pixels).all()
    moved = affine(pixels, right=0.25, down=-0.1)
    assert (moved[:-6, 15:] == pixels[6:, :-15]).all()
    # what comes in at the left is what lies beside it, mirrored
    assert (moved[:-6, :15] == pixels[6:, 15:0:-1]).all()


@settings(max_examples=25)
@given(
    st.floats(-180, 180),
    st.floats(0.5, 2),
    st.floats(-0.3, 0.3),
    st.floats(-0.3, 0.3),
    st.floats(-40, 40),
)
def test_it_is_the_affine_map_of_scipy(
    degrees: float, scale: float, right: float, down: float, shear: float
) -> None:
    pixels = picture(80, 100)
    found = affine(pixels, degrees, scale, right, down, shear)
    turn, slant = np.radians(degrees), np.tan(np.radians(shear))
    # scipy counts rows first
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    forward = scale * turned @ np.array([[1, 0], [slant, 1]])
    back, middle = np.linalg.inv(forward), np.array([79 / 2, 99 / 2])
    offset = middle - back @ (middle + np.array([down * 80, right * 100]))
    for channel in range(3):
        wanted = scipy.ndimage.affine_transform(
            pixels[..., channel].astype(float), back, offset, order=1, mode="mirror"
        )
        # OpenCV counts places in 1/32 of a pixel, and the picture is smooth
        apart = np.abs(found[..., channel] - wanted)
        assert np.quantile(apart, 0.99) <= 3


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_a_blur_is_that_of_scipy_and_the_same_for_a_larger_picture(sigma: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (120, 150, 3)).astype(np.uint8)
    wanted = scipy.ndimage.gaussian_filter(
        pixels.astype(float), (sigma * 120, sigma * 120, 0), mode="mirror", truncate=3
    )
    assert np.abs(blur(pixels, sigma) - wanted).max() <= 3
    large = blur(np.kron(pixels, np.ones((2, 2, 1), np.uint8)), sigma)
    again = large.reshape(120, 2, 150, 2, 3).mean((1, 3))
    # a pixel of noise is a square in the larger one, no point
    assert np.abs(again - blur(pixels, sigma)).mean() < 1.5
    assert blur(pixels, 0.0) is pixels


def test_jpeg_leaves_blocks_at_the_size_that_it_says() -> None:
    pixels = np.repeat(natural(600)[..., None].astype(np.uint8), 3, axis=2)
    hardly, much = (jpeg(pixels, quality, 300) for quality in (90, 5))
    assert hardly.shape == much.shape == (300, 300, 3)
    assert blockiness(hardly[..., 0]) < 1.5
    assert blockiness(much[..., 0]) > 3
    assert jpeg(pixels, 50, 1000).shape == pixels.shape


@pytest.mark.parametrize("deviation", [3.0, 15.0])
def test_grain_is_noise_of_its_deviation_at_the_size_that_it_says(deviation: float) -> None:
    pixels = np.full((2, 400, 500, 3), 128, np.uint8)
    noisy = apply_to_pixels(
        pixels, [Step("grain", {"deviation": deviation, "side": 200, "seed": 1})]
    )
    assert noisy.shape == (2, 200, 250, 3)
    # 150,000 draws know it to 0.2 %; rounding adds a deviation of 1 / sqrt(12)
    assert noisy[0].std() == pytest.approx(np.hypot(deviation, 12**-0.5), rel=0.01)
    assert noisy.mean() == pytest.approx(128, abs=0.1)
    assert np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_erasing_leaves_the_rest_and_fills_with_what_is_drawn() -> None:
    pixels = picture(100, 200)
    place = {"left": 0.1, "top": 0.2, "width": 0.5, "height": 0.4}
    erased = erase(pixels, **place, seed=1)
    hole = np.zeros((100, 200), bool)
    hole[20:60, 20:120] = True
    assert (erased[~hole] == pixels[~hole]).all()
    # of 12,000 even draws the mean is known to 0.7 levels, the deviation is 256 / sqrt(12)
    assert erased[hole].mean() == pytest.approx(127.5, abs=3)
    assert erased[hole].std() == pytest.approx(73.9, abs=2)
    assert (erase(pixels, **place, seed=1) == erased).all()
    assert (erase(pixels, **place, seed=2)[hole] != erased[hole]).any()


@given(st.tuples(*[st.integers(0, 255)] * 3), st.floats(-180, 180))
def test_a_hue_is_turned_as_colorsys_turns_it(rgb: tuple[int, int, int], degrees: float) -> None:
    found = hue(np.full((1, 1, 3), rgb, np.uint8), degrees)[0, 0]
    own, strength, value = colorsys.rgb_to_hsv(*(each / 255 for each in rgb))
    wanted = colorsys.hsv_to_rgb((own + degrees / 360) % 1, strength, value)
    assert np.abs(found - 255 * np.array(wanted)).max() <= 1


@given(st.integers(0, 9), st.floats(0, 3))
def test_saturation_and_contrast_draw_away_from_grey_in_proportion(
    seed: int, factor: float
) -> None:
    pixels = picture(20, 30, seed)
    gray = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    wanted = (gray + factor * (pixels - gray)).clip(0, 255)
    assert np.abs(saturation(pixels, factor) - wanted).max() <= 0.51
    wanted = (gray.mean() + factor * (pixels - gray.mean())).clip(0, 255)
    assert np.abs(contrast(pixels, factor) - wanted).max() <= 0.51
    assert (saturation(pixels, 1) == pixels).all()
    assert (contrast(pixels, 1) == pixels).all()


@given(st.integers(0, 9), st.floats(0, 3))
def test_brightness_is_a_factor_and_a_mirror_is_one(seed: int, factor: float) -> None:
    pixels = picture(20, 30, seed)
    assert np.abs(brightness(pixels, factor) - (pixels * factor).clip(0, 255)).max() <= 0.5 + 1e-9
    assert (brightness(pixels, 1) == pixels).all()
    assert (hflip(pixels) == pixels[:, ::-1]).all()


@pytest.mark.parametrize("change", [hue, saturation])
@given(amount=st.floats(0, 3))
@settings(max_examples=10, deadline=None)
def test_a_colour_becomes_the_same_wherever_it_stands_in_a_large_picture(
    change: Callable[[np.ndarray, float], np.ndarray], amount: float
) -> None:
    colors = np.random.default_rng(4).integers(0, 256, (1, 640, 3), dtype=np.uint8)
    changed = change(np.repeat(colors, 101, axis=0), amount)
    assert (changed == change(colors, amount)).all()
