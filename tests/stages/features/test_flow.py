"""Motion by answers known from how far a picture was moved."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from modalmill.stages.features.flow import Flow

SCENE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (220, 220, 3)).astype(np.uint8), (0, 0), 3
)
SCENE = cv2.normalize(SCENE, None, 0, 255, cv2.NORM_MINMAX)


def moved(right: int, down: int, frames: int = 3) -> np.ndarray:
    """What a window shows of a scene that moves so many pixels a frame."""
    return np.stack(
        [SCENE[30 - place * down :, 30 - place * right :][:160, :160] for place in range(frames)]
    )


@pytest.mark.parametrize(
    ("right", "down", "peak"), [(3, 0, 0), (3, 3, 1), (0, 3, 2), (-3, 0, 4), (0, -3, 6)]
)
def test_a_scene_that_moves_has_one_peak_as_long_as_it_moves(
    right: int, down: int, peak: int
) -> None:
    histogram = Flow(grid=1).extract(moved(right, down))
    pixels = np.hypot(right, down)
    assert histogram[:8].argmax() == peak
    assert histogram[peak] * 160 == pytest.approx(pixels, rel=0.1)
    assert np.delete(histogram[:8], peak).max() < 0.05 * histogram[peak]


def test_a_still_scene_stands_still_everywhere() -> None:
    cells = Flow(grid=2, angles=4).extract(moved(0, 0)).reshape(4, 5)
    np.testing.assert_allclose(cells, np.tile([0, 0, 0, 0, 1], (4, 1)), atol=1e-4)


def test_what_moves_in_one_corner_moves_in_its_cell() -> None:
    frames = moved(0, 0)
    frames[:, 20:60, 100:140] = moved(3, 0)[:, 20:60, 100:140]
    still = Flow(grid=2).extract(frames).reshape(4, 9)[:, 8]
    assert still.argmin() == 1
    assert np.delete(still, 1).min() > 0.9


def test_the_scale_of_the_film_does_not_matter() -> None:
    small = Flow(grid=1).extract(moved(3, 0))
    large = np.stack([cv2.resize(frame, (320, 320)) for frame in moved(3, 0)])
    np.testing.assert_allclose(Flow(grid=1).extract(large), small, atol=2e-3)


def test_one_frame_is_no_motion() -> None:
    with pytest.raises(ValueError, match="at least 2 frames"):
        Flow(frames=1)
