"""Shots are counted as they are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import drifting, write_pictures
from measured import measured, signals_within


@pytest.mark.parametrize("cuts", [0, 1, 3])
def test_each_cut_makes_one_more(tmp_path: Path, cuts: int) -> None:
    pictures = drifting(60, step=1)
    for number in range(cuts):
        pictures[15 * (number + 1) :] = 255 - pictures[15 * (number + 1) :]
        pictures[15 * (number + 1) :] //= 2
    whole = measured(write_pictures(tmp_path / "a.mp4", pictures), "video", "shots")
    assert whole.signals["shots"] == cuts + 1
    first = signals_within("video", whole.tracks, 2.4, 0.0, 0.5, ["shots"])
    assert first == {"shots": 1.0}


def test_one_frame_is_one_shot(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mp4", np.full((1, 48, 64, 3), 9, np.uint8))
    assert measured(path, "video", "shots").signals["shots"] == 1
