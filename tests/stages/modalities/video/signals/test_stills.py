"""What the pictures of a film look like is what images look like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from films import write_pictures
from measured import measured


def looks(path: Path, picture: np.ndarray) -> dict[str, float]:
    pictures = np.repeat(picture[None], 9, axis=0)
    return measured(write_pictures(path, pictures, options={"crf": "0"}), "video", "stills").signals


def test_a_blurred_film_is_less_sharp_and_one_colour_has_no_entropy(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    picture = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    sharp = looks(tmp_path / "a.mp4", picture)
    soft = looks(tmp_path / "b.mp4", cv2.GaussianBlur(picture, (0, 0), 5))
    assert soft["sharpness"] < sharp["sharpness"] / 10
    flat = looks(tmp_path / "c.mp4", np.full((240, 320, 3), 90, np.uint8))
    assert (flat["sharpness"], flat["entropy"]) == (0, 0)
    assert sharp["entropy"] > 6


def test_it_is_that_of_a_picture_of_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40)).astype(np.uint8)
    # grey, for films keep half of the colours
    picture = cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)[..., None].repeat(3, 2)
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    of_image = measured(tmp_path / "a.png", "image", "entropy").signals
    found = looks(tmp_path / "a.mp4", picture)
    assert found["sharpness"] == pytest.approx(of_image["sharpness"], rel=0.05)
    # of 256 levels films use 219
    assert found["entropy"] == pytest.approx(of_image["entropy"], abs=0.3)
