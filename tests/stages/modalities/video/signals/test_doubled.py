"""Frames that are shown again, where it is known how many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import drifting, write_pictures
from measured import measured, signals_within


def doubled_of(path: Path) -> float:
    return measured(path, "video", "doubled").signals["doubled"]


@pytest.mark.parametrize(("times", "share"), [(1, 0.0), (2, 0.5), (3, 2 / 3)])
def test_a_slower_film_at_a_higher_rate(tmp_path: Path, times: int, share: float) -> None:
    """12.5 pictures a second in 25 are half of them doubled, 10 in 30 two thirds."""
    pictures = np.repeat(drifting(24), times, axis=0)
    path = write_pictures(tmp_path / "a.mp4", pictures)
    assert doubled_of(path) == pytest.approx(share, abs=0.03)


def test_film_at_the_rate_of_television(tmp_path: Path) -> None:
    """Each fourth frame of 24 shown again makes 30."""
    pictures = np.repeat(drifting(40), [1, 1, 1, 2] * 10, axis=0)
    assert doubled_of(write_pictures(tmp_path / "a.mp4", pictures)) == pytest.approx(0.2, abs=0.02)


def test_what_stands_still_is_not_doubled(tmp_path: Path) -> None:
    moving = drifting(20)
    still = np.concatenate([moving[:10], np.repeat(moving[10:11], 20, axis=0), moving[11:]])
    path = write_pictures(tmp_path / "a.mp4", still)
    found = measured(path, "video", "doubled").signals
    assert found["doubled"] == 0
    assert found["frozen"] > 0.4
    assert doubled_of(write_pictures(tmp_path / "b.mp4", moving[:1])) == 0


def test_it_is_of_the_span(tmp_path: Path) -> None:
    pictures = np.concatenate([drifting(25), np.repeat(drifting(13), 2, axis=0)[:25]])
    whole = measured(write_pictures(tmp_path / "a.mp4", pictures), "video", "doubled")
    for span, share in (((0.0, 1.0), 0.0), ((1.0, 2.0), 0.5)):
        found = signals_within("video", whole.tracks, 2.0, *span, names=["doubled"])
        assert found["doubled"] == pytest.approx(share, abs=0.03)


def test_nothing_of_real_films_is_doubled(shared: Path) -> None:
    for path in sorted((shared / "grid_s1" / "s1").glob("*.mpg"))[:2]:
        assert doubled_of(path) <= 0.02
