"""Fields that were woven into frames are found, and whole frames are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import drifting, write_pictures
from measured import measured
from modalmill.stages.media.interlace import count_fields


def interlaced_of(path: Path) -> float | None:
    return measured(path, "video", "interlaced").signals.get("interlaced")


def woven(pictures: np.ndarray, first: int) -> np.ndarray:
    """Each two pictures as one frame, its lines from the one and the other in turn."""
    frames = pictures[::2].copy()
    frames[:, 1 - first :: 2] = pictures[1::2, 1 - first :: 2]
    return frames


@pytest.mark.parametrize("first", [0, 1])
def test_woven_fields_are_interlaced(tmp_path: Path, first: int) -> None:
    frames = woven(drifting(48, step=6), first)
    found = interlaced_of(write_pictures(tmp_path / "a.mp4", frames, options={"crf": "8"}))
    assert found is not None
    assert found > 0.9


def test_whole_frames_are_not_and_of_a_still_nothing_is_known(tmp_path: Path) -> None:
    assert interlaced_of(write_pictures(tmp_path / "a.mp4", drifting(24))) == 0
    still = np.repeat(np.full((1, 96, 128, 3), 90, np.uint8), 12, axis=0)
    assert interlaced_of(write_pictures(tmp_path / "b.mp4", still)) is None


def test_a_part_of_a_film(tmp_path: Path) -> None:
    frames = np.concatenate([drifting(24, step=6), woven(drifting(48, step=6), 0)])
    found = interlaced_of(write_pictures(tmp_path / "a.mp4", frames, options={"crf": "8"}))
    assert found == pytest.approx(0.5, abs=0.1)


def test_frames_of_another_size_do_not_count(tmp_path: Path) -> None:
    """As in a broadcast that changes its resolution on the way."""
    for name, size in (("a", (96, 128)), ("b", (48, 64))):
        write_pictures(tmp_path / f"{name}.ts", drifting(24, *size))
    joined = tmp_path / "c.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert count_fields(joined) == count_fields(tmp_path / "a.ts")
    assert count_fields(joined)[1] > 15
