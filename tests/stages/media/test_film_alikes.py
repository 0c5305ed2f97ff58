"""Films are found again after compression, scaling and cutting; one speaker before one wall, stills
and what others begin with alike are not taken for one.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from film_copies import COPIES, FPS, film, scenes, speaker, wall
from modalmill.stages.media import film_alikes
from modalmill.stages.media.film_alikes import film_alikes as alike
from modalmill.stages.media.film_alikes import least_agreement
from modalmill.stages.media.sketch import Sketch, Sketcher
from modalmill.stages.modalities.video.film import sketch_video


def sketched(frames: list[np.ndarray], fps: float = FPS) -> Sketch:
    sketcher = Sketcher()
    for number, frame in enumerate(frames):
        sketcher.add(number / fps, frame)
    return sketcher.finished(len(frames) / fps)


def pairs(films: list[Sketch]) -> set[tuple[int, int]]:
    return {(one, other) for one, other, _ in alike(len(films), films.__getitem__)}


@functools.cache
def originals() -> tuple[tuple[np.ndarray, ...], ...]:
    own = [speaker(seed) for seed in range(4)] + [scenes(seed) for seed in range(4)]
    return tuple(map(tuple, own))


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_among_others_and_others_are_not_copies(name: str, tmp_path: Path) -> None:
    films = [sketched(list(own)) for own in originals()]
    for number, own in enumerate(originals()):
        films.append(sketch_video(COPIES[name](tmp_path / f"{number}.mp4", own)))
    assert pairs(films) == {(number, number + 8) for number in range(8)}


def test_three_encodings_of_each_are_one_set(tmp_path: Path) -> None:
    films = [
        sketch_video(COPIES[name](tmp_path / name[:4] / f"{number}.mp4", own))
        for name in ("h264 at crf 35", "mpeg4", "vp9")
        for number, own in enumerate(originals())
    ]
    found = alike(len(films), films.__getitem__)
    assert len(found) == 16
    assert all(one % 8 == other % 8 and 0 <= apart < 0.3 for one, other, apart in found)


def test_two_films_are_one_where_they_agree_all_the_time_that_both_run() -> None:
    own, rest = speaker(9, seconds=12), speaker(10, seconds=12)
    whole = sketched(own)
    assert pairs([whole, sketched(own[137:200])]) == {(0, 1)}  # 2.5 s
    assert pairs([whole, sketched(own[100:] + rest[:150])]) == {(0, 1)}
    # less than half of the shorter one, and a common beginning alone
    assert pairs([whole, sketched(own[200:] + rest[:150])]) == set()
    assert pairs([whole, sketched(own[:200] + rest[:100])]) == set()


@pytest.mark.parametrize("seconds", [30, 240])
def test_a_piece_of_a_long_film_is_found_though_its_sketch_is_coarser(seconds: int) -> None:
    films = [sketched(scenes(seed, 1500, fps=4), 4) for seed in range(2)]
    assert [each.doubled for each in films] == [2, 2]
    start = 4 * 601
    for seed in range(2):
        films.append(sketched(scenes(seed, 1500, fps=4)[start : start + 4 * seconds], 4))
    assert pairs(films) == {(0, 2), (1, 3)}


def noisy(seed: int, level: float) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    still = wall(0)
    return [
        (still + random.normal(0, level, still.shape)).clip(0, 255).astype(np.uint8)
        for _ in range(60)
    ]


STILLS = {
    "one picture": lambda seed: [wall(0).astype(np.uint8)] * 60,
    "one picture with noise": lambda seed: noisy(seed, 4),
    "black": lambda seed: [np.zeros((96, 128), np.uint8)] * 60,
    "dark with noise": lambda seed: [
        np.random.default_rng((seed, place)).integers(0, 9, (96, 128)).astype(np.uint8)
        for place in range(60)
    ],
    "one picture that fades in": lambda seed: [
        (frame * min(1, place / 25)).astype(np.uint8) for place, frame in enumerate(noisy(seed, 1))
    ],
    "two pictures": lambda seed: [
        wall(place >= 30 + 3 * seed).astype(np.uint8) for place in range(75)
    ],
}


@pytest.mark.parametrize("name", STILLS)
def test_films_in_which_nothing_changes_are_never_one_by_their_pictures(name: str) -> None:
    assert pairs([sketched(STILLS[name](seed)) for seed in range(4)]) == set()


def test_stills_of_an_encoder_are_never_one(tmp_path: Path) -> None:
    still = [wall(0).astype(np.uint8)] * 75
    made = [
        film(tmp_path / f"{number}.mp4", still, codec, **how)
        for number, (codec, how) in enumerate(
            [("libx264", {"crf": "30", "g": "10"}), ("libx264", {"crf": "40"}), ("mpeg4", {})]
        )
    ]
    assert pairs([sketch_video(path) for path in made]) == set()


def test_one_speaker_before_one_wall_is_many_films() -> None:
    intro = scenes(99, seconds=2)
    for before in ([], intro):
        films = [sketched([*before, *speaker(seed, seconds=6)]) for seed in range(20)]
        assert pairs(films) == set()


def test_slides_that_are_shown_at_other_times_are_other_films() -> None:
    slides = [wall(seed).astype(np.uint8) for seed in range(5)]
    random = np.random.default_rng(0)
    films = []
    for _ in range(8):
        lasts = random.integers(20, 90, len(slides))
        films.append(
            [slide for slide, each in zip(slides, lasts, strict=True) for _ in range(each)]
        )
    own = [sketched(frames, 10) for frames in films]
    assert pairs(own) == set()
    # and those at the same times are one film
    assert pairs([*own, sketched(films[3][10:], 10)]) == {(3, 8)}


def test_films_of_nothing_or_of_a_second_are_not_compared() -> None:
    assert alike(0, [].__getitem__) == []
    empty = Sketcher().finished(0.0)
    short = sketched(speaker(0, seconds=1))
    assert pairs([empty, short, short, empty]) == set()


def test_less_must_agree_where_there_is_more_of_it() -> None:
    needed = [least_agreement(length) for length in (12, 24, 48, 96, 4096)]
    assert needed == sorted(needed, reverse=True)
    assert needed[:2] == pytest.approx([0.9, 0.75])
    assert needed[-1] == pytest.approx(0.6, abs=1e-3)


def test_many_films_of_one_set_are_looked_at_along_it_and_not_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []
    of = film_alikes.agreement_of

    def counted(*given: object) -> tuple[float, int]:
        looked.append(given[2])
        return of(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(film_alikes, "agreement_of", counted)
    own = speaker(0)
    films = [sketched(own)] * 60
    assert len(alike(60, films.__getitem__)) == 59
    assert len(looked) <= 59
