"""QR codes that were put into pictures are as large as they are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from measured import measured
from PIL import Image
from tiny import picture


def found_in(path: Path, pixels: np.ndarray) -> float:
    Image.fromarray(pixels).save(path, quality=90)
    return measured(path, "image", "qr_share").signals["qr_share"]


@pytest.mark.parametrize("times", [3, 6])
def test_a_code_takes_the_share_that_it_was_given(times: int, tmp_path: Path) -> None:
    code = cv2.QRCodeEncoder.create().encode("https://example.org/")
    # without the quiet zone that the encoder leaves around it
    code = code[np.ix_((code == 0).any(1), (code == 0).any(0))]
    code = np.kron(code, np.ones((times, times), np.uint8))
    side, pixels = len(code), picture(400, 480)
    pixels[40 : 80 + side, 30 : 70 + side] = 255
    pixels[60 : 60 + side, 50 : 50 + side] = code[..., None]
    assert found_in(tmp_path / "a.jpg", pixels) == pytest.approx(code.size / (400 * 480), rel=0.08)
    # where nobody can read it as well
    pixels[60 + side // 2 : 60 + side // 2 + 2 * times, 50 + side // 2 : 50 + side] = 255
    assert found_in(tmp_path / "b.jpg", pixels) == pytest.approx(code.size / (400 * 480), rel=0.08)


def test_pictures_without_a_code_have_none(tmp_path: Path) -> None:
    checks = np.kron(np.indices((20, 20)).sum(0) % 2 * 255, np.ones((12, 12))).astype(np.uint8)
    for pixels in (picture(300, 400), checks, np.full((20, 20, 3), 255, np.uint8)):
        assert found_in(tmp_path / "a.png", pixels) == 0
