"""Films of a constant and of a variable rate, against FFmpeg's vfrdet."""

from __future__ import annotations

from pathlib import Path

import pytest
from films import drifting, write_pictures
from measured import measured, signals_within


def rate_of(path: Path) -> float:
    return measured(path, "video", "variable_rate").signals["variable_rate"]


@pytest.mark.parametrize("form", ["mp4", "mkv"])
@pytest.mark.parametrize("fps", [25, 30, 120])
def test_a_constant_rate_is_one_though_the_container_rounds(
    tmp_path: Path, form: str, fps: int
) -> None:
    """Matroska counts in milliseconds, of which a frame of 30 a second has 33 or 34."""
    assert rate_of(write_pictures(tmp_path / f"a.{form}", drifting(12), fps)) == 0


@pytest.mark.parametrize("form", ["mp4", "mkv"])
def test_frames_that_are_left_out_count(tmp_path: Path, form: str) -> None:
    """A camera that leaves out each fifth frame: one of four stands for twice as long."""
    shown = [each for each in range(41) if each % 5 != 3]
    path = write_pictures(tmp_path / f"a.{form}", drifting(len(shown)), 25, shown)
    assert rate_of(path) == pytest.approx(8 / 32)
    tracks = measured(path, "video", "variable_rate").tracks
    inside = signals_within("video", tracks, 1.64, 0.0, 0.11, ["variable_rate"])
    assert inside["variable_rate"] == 0


def test_a_picture_has_a_constant_rate(tmp_path: Path) -> None:
    assert rate_of(write_pictures(tmp_path / "a.mp4", drifting(1))) == 0
