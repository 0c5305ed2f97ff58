"""The entropy of pictures of which it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from measured import measured
from modalmill.stages.modalities.image.signals.entropy import entropy
from PIL import Image


def of(path: Path, pixels: np.ndarray) -> float:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return measured(path, "image", "entropy").signals["entropy"]


def test_one_colour_has_none_two_have_one_bit_and_noise_has_eight(tmp_path: Path) -> None:
    rows = np.arange(256)[:, None] + np.zeros((1, 256))
    path = tmp_path / "a.png"
    assert of(path, np.full((256, 256), 77)) == 0.0
    assert of(path, np.where(rows < 128, 3, 200)) == pytest.approx(1.0)
    assert of(path, rows // 64) == pytest.approx(2.0)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256))
    # Miller 1955: the entropy of N draws is short of it by (256 - 1) / 2N nats
    assert of(path, noise) == pytest.approx(8 - 255 / 2 / 256**2 / np.log(2), abs=1e-3)


@given(st.lists(st.integers(0, 10_000), min_size=256, max_size=256).filter(any))
def test_it_is_that_of_scipy(counts: list[int]) -> None:
    found = entropy(np.array(counts))
    assert found == pytest.approx(scipy.stats.entropy(counts, base=2), abs=1e-9)
    assert 0 <= found <= 8
