"""A sketch says what a film shows at each time, whatever its frames are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.stages.media import sketch
from modalmill.stages.media.sketch import HEIGHT, STEP_S, WIDTH, Sketch, Sketcher, coarser


def plain(level: float) -> np.ndarray:
    return np.full((48, 64), level, np.uint8)


def made(frames: list[np.ndarray], times: list[float], end: float, turns: int = 0) -> Sketch:
    sketcher = Sketcher(turns)
    for time, frame in zip(times, frames, strict=True):
        sketcher.add(time, frame)
    return sketcher.finished(end)


films = st.lists(st.tuples(st.floats(0.01, 1.5), st.integers(40, 255)), min_size=1, max_size=30)


@given(films, st.floats(0, 100))
@settings(max_examples=60, deadline=None)
def test_each_thumbnail_is_the_mean_of_what_is_shown_in_its_time(
    lasts: list[tuple[float, int]], begins: float
) -> None:
    seconds, levels = np.array([each for each, _ in lasts]), [level for _, level in lasts]
    edges = np.r_[0, np.cumsum(seconds)]
    own = made([plain(level) for level in levels], list(begins + edges[:-1]), begins + edges[-1])
    count = edges[-1] / STEP_S
    assert own.doubled == 0
    assert abs(len(own.thumbnails) - count) <= 0.5 + 1e-3
    found = coarser(own, 0)
    for number in range(int(count)):
        start, end = number * STEP_S, (number + 1) * STEP_S
        shown = (np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])).clip(0)
        assert np.allclose(found[number], (shown * levels).sum() / STEP_S, atol=0.05)


@given(st.integers(2, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_long_film_has_what_the_finer_sketch_has_in_longer_steps(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = [random.integers(40, 255, (48, 64), np.uint8) for _ in range(count)]
    times = [0.3 * number for number in range(count)]
    fine = made(frames, times, 0.3 * count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketch, "MOST", 64)
        own = made(frames, times, 0.3 * count)
    assert len(own.thumbnails) <= 64
    assert own.doubled == max(0, int(np.ceil(np.log2(0.3 * count / STEP_S / 64))))
    wanted = coarser(fine, own.doubled)
    assert np.allclose(coarser(own, own.doubled)[: len(wanted)], wanted, atol=0.05)


def test_a_sketch_is_kept_as_numbers_and_found_again() -> None:
    random = np.random.default_rng(0)
    own = Sketch(3, random.integers(0, 65536, (5, HEIGHT, WIDTH)).astype(np.uint16))
    again = Sketch.from_array(np.frombuffer(own.to_array().tobytes(), np.uint16))
    assert again.doubled == 3
    assert np.array_equal(again.thumbnails, own.thumbnails)


def test_bars_are_left_out_and_a_black_film_has_none() -> None:
    ramp = np.add.outer(np.arange(36), np.arange(64)).astype(np.uint8) + np.uint8(50)
    wanted = made([np.repeat(ramp, 4, axis=0)], [0.0], 1.0)
    barred = made([np.pad(ramp, ((6, 6), (0, 0)))], [0.0], 1.0)
    assert np.allclose(coarser(barred, 0), coarser(wanted, 0), atol=1)
    assert not made([plain(0)] * 2, [0.0, 0.5], 1.0).thumbnails.any()
    dark = plain(0)
    dark[20:28, 28:36] = 200  # a small thing in the dark is no film between bars
    assert (coarser(made([dark], [0.0], 1.0), 0)[:, 0] == 0).all()


def test_a_film_that_was_turned_has_the_sketch_of_what_is_shown() -> None:
    ramp = np.add.outer(np.arange(48), 2 * np.arange(64)).astype(np.uint8) + np.uint8(50)
    turned = made([ramp], [0.0], 1.0, turns=2)
    assert np.array_equal(turned.thumbnails, made([ramp], [0.0], 1.0).thumbnails[:, ::-1, ::-1])
    upright = coarser(made([ramp], [0.0], 1.0, turns=1), 0)[0]
    # what was right is on top
    assert upright[0].min() > upright[-1].max()


def test_clocks_that_jump_end_and_films_without_frames_are_empty() -> None:
    assert len(Sketcher().finished(3.0).thumbnails) == 0
    back = made([plain(50), plain(90), plain(130)], [1.0, 0.2, 1.5], 2.0)
    assert len(back.thumbnails) == 8
    far = made([plain(50), plain(90)], [0.0, 1e12], 1e12 + 1)
    assert len(far.thumbnails) <= sketch.MOST
    assert np.allclose(coarser(far, far.doubled)[0], 50, atol=0.05)
