"""Black bars of a known size, against FFmpeg's bbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from by_ffmpeg import metadata_of
from films import drifting, write_pictures
from measured import measured, signals_within


def barred(count: int, rows: int = 0, columns: int = 0) -> np.ndarray:
    """Pictures of 96 x 128 with bars of so many rows above and below, or columns left and right."""
    pictures = drifting(count)
    pictures[:, :rows] = pictures[:, 96 - rows :] = 0
    pictures[:, :, :columns] = pictures[:, :, 128 - columns :] = 0
    return pictures


def by_bbox(path: Path) -> float:
    """The share of the picture outside of the largest box that is not black."""
    said = metadata_of(path, [("bbox", "min_val=32")], pictures=True)
    areas = [float(own["lavfi.bbox.w"]) * float(own["lavfi.bbox.h"]) for own in said if own]
    return 1 - max(areas) / (96 * 128)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (12, 0), (0, 16), (8, 8), (5, 0)])
def test_bars_are_found_as_bbox_finds_them(tmp_path: Path, rows: int, columns: int) -> None:
    path = write_pictures(tmp_path / "a.mp4", barred(8, rows, columns))
    found = measured(path, "video", "letterbox").signals["letterbox"]
    share = 1 - (1 - 2 * rows / 96) * (1 - 2 * columns / 128)
    assert found == pytest.approx(share, abs=0.04)
    assert found == pytest.approx(by_bbox(path), abs=0.04)


def test_a_dark_scene_is_no_bar_and_a_black_film_is_nothing_else(tmp_path: Path) -> None:
    night = drifting(20)
    night[5:, :40] = 4
    path = write_pictures(tmp_path / "a.mp4", night)
    whole = measured(path, "video", "letterbox")
    assert whole.signals["letterbox"] < 0.04
    dark = signals_within("video", whole.tracks, 0.8, 0.4, 0.8, ["letterbox"])
    assert dark["letterbox"] == pytest.approx(40 / 96, abs=0.04)
    path = write_pictures(tmp_path / "b.mp4", np.zeros_like(night))
    assert measured(path, "video", "letterbox").signals["letterbox"] == 1
