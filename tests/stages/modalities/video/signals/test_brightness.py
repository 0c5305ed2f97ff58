"""How light a film is, where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import write_pictures
from measured import measured, signals_within


def test_it_is_the_mean_of_the_frames_of_the_span(tmp_path: Path) -> None:
    levels = np.repeat([64, 192], 10).astype(np.uint8)
    pictures = np.zeros((20, 48, 64, 3), np.uint8) + levels[:, None, None, None]
    whole = measured(write_pictures(tmp_path / "a.mp4", pictures, 10), "video", "brightness")
    assert whole.signals["brightness"] == pytest.approx(128 / 255, abs=0.01)
    half = signals_within("video", whole.tracks, 2.0, 1.0, 2.0, ["brightness"])
    assert half["brightness"] == pytest.approx(192 / 255, abs=0.01)
