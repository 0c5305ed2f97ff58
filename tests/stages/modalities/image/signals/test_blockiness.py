"""Blockiness against FFmpeg's filter, and of pictures whose blocks are planted."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import scipy.stats
from modalmill.stages.modalities.image.signals.blockiness import blockiness
from tiny import picture


def of_ffmpeg(gray: np.ndarray) -> float:
    """What FFmpeg's ``blockdetect`` says of a grid of 8."""
    graph = av.filter.Graph()
    height, width = gray.shape
    source = graph.add_buffer(width=width, height=height, format="gray", time_base=Fraction(1))
    found = graph.add("blockdetect", "period_min=8:period_max=8")
    end = graph.add("buffersink")
    source.link_to(found)
    found.link_to(end)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(gray, format="gray")
    frame.pts, frame.time_base = 0, Fraction(1)
    graph.push(frame)
    return float(graph.pull().metadata["lavfi.block"])


def compressed(seed: int, quality: int) -> np.ndarray:
    noisy = picture(160, 240, seed)[..., 0].astype(float)
    noisy += np.random.default_rng(seed).normal(0, 12, noisy.shape)
    data = cv2.imencode(
        ".jpg", noisy.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def test_it_puts_pictures_into_the_order_of_ffmpeg() -> None:
    pictures = [compressed(seed, quality) for seed in range(4) for quality in (5, 10, 20, 40, 90)]
    found, theirs = ([of(gray) for gray in pictures] for of in (blockiness, of_ffmpeg))
    assert scipy.stats.spearmanr(found, theirs).statistic > 0.97


def test_a_bar_is_no_grid() -> None:
    gray = compressed(1, 90)
    framed = cv2.copyMakeBorder(gray, 32, 32, 0, 0, cv2.BORDER_CONSTANT)
    assert of_ffmpeg(framed) > 3.5
    assert blockiness(framed) < 1.5


def test_more_compression_is_more_and_a_crop_changes_little() -> None:
    found = [blockiness(compressed(1, quality)) for quality in (5, 10, 20, 90)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1.5
    assert found[2] > 2.5
    gray = compressed(1, 10)
    assert blockiness(np.ascontiguousarray(gray[3:, 5:])) == pytest.approx(found[1], rel=0.1)


def test_one_colour_has_no_grid_and_of_a_tiny_picture_it_is_not_known() -> None:
    assert blockiness(np.full((64, 64), 9, np.uint8)) == 1.0
    assert blockiness(np.zeros((22, 64), np.uint8)) is None
    noise = np.random.default_rng(0).integers(0, 256, (256, 256)).astype(np.uint8)
    assert blockiness(noise) == pytest.approx(1, abs=0.05)
