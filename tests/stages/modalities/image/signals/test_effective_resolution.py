"""How far the detail of pictures goes that were made to have detail so far and no further."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from modalmill.stages.modalities.image.signals.effective_resolution import effective_resolution
from tiny import natural


@pytest.mark.parametrize("until", [0.25, 0.5, 0.75, 1.0])
def test_it_is_where_detail_ends(until: float) -> None:
    assert effective_resolution(natural(512, until)) == pytest.approx(until, abs=0.06)


@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
@pytest.mark.parametrize("times", [2, 4])
def test_an_enlarged_picture_has_little(way: int, times: int) -> None:
    small = natural(128).astype(np.uint8)
    large = cv2.resize(small, None, fx=times, fy=times, interpolation=way)
    assert effective_resolution(small) > 0.9
    assert effective_resolution(large) < 1.35 / times
    # one direction alone is not enough to call a picture enlarged
    wide = cv2.resize(small, None, fx=times, fy=1, interpolation=way)
    assert effective_resolution(wide) > 0.9


def test_of_one_colour_and_of_a_tiny_picture_it_is_not_known() -> None:
    assert effective_resolution(np.full((64, 64), 9, np.uint8)) is None
    assert effective_resolution(np.zeros((31, 64), np.uint8)) is None
