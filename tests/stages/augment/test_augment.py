"""Copies whose modalities stay true to each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.record import Cue, Origin, Part, Record, Step
from modalmill.stages.augment.crop_time import CropTime
from modalmill.stages.augment.flip import Flip, swap_sides
from modalmill.stages.augment.noise import Noise
from modalmill.stages.media.steps import apply_to_pixels, apply_to_samples


@given(st.text("leftrigh LEFTRIGHT.,s", max_size=60))
def test_swapping_sides_twice_gives_the_text_back(text: str) -> None:
    assert swap_sides(swap_sides(text)) == text


def test_a_flip_turns_pictures_words_and_answers_together() -> None:
    record = Record(
        "k",
        "k",
        Origin("s", "f"),
        {"image": Part("image", uri="a.jpg"), "q": Part("text", text="What is left of the man?")},
        {"answers": ["right hand", "a dog"]},
    )
    original, copy = (row.record for row in Flip(only_split="").process(record, 0, "augment.flip"))
    assert original == record
    assert copy.parts["image"].steps == (Step("hflip"),)
    assert copy.parts["q"].text == "What is right of the man?"
    assert copy.targets == {"answers": ["left hand", "a dog"]}


def test_two_stages_of_one_kind_give_their_copies_keys_of_their_own() -> None:
    record = Record("k", "k", Origin("s", "f"), {"voice": Part("audio", uri="a.wav")})
    first, second = (
        [row.record.key for row in Noise(copies=2, only_split="").process(record, 0, address)]
        for address in ("augment.noise", "augment.noise#2")
    )
    assert first == ["k", "k-noise1", "k-noise2"]
    assert second == ["k", "k-noise2_1", "k-noise2_2"]


@pytest.mark.parametrize(
    ("only_split", "copied"),
    [("train", {"train", None}), ("fold1+fold2", {"fold1", "fold2", None})],
)
def test_copies_are_made_in_the_splits_that_are_named(only_split: str, copied: set[str]) -> None:
    splits = ["train", "fold1", "fold2", "fold3", None]
    parts = {"image": Part("image", uri="a.jpg")}
    records = [Record(f"k{split}", "k", Origin("s", "f"), parts, split=split) for split in splits]
    stage = Flip(only_split=only_split)
    made = [len(list(stage.process(record, 0, "augment.flip"))) for record in records]
    assert {split for split, count in zip(splits, made, strict=True) if count == 2} == copied


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Left of the dog", "Right of the dog"),
        ("man on the left holding a cup", "man on the right holding a cup"),
        ("the right to vote", "the right to vote"),
        ("He left the room.", "He left the room."),
        ("Is this the right bus?", None),  # the proper one, or the one beside the left one
        ("a right-wing speaker", None),
        ("What does the sign on the left say?", None),  # a mirror spoils letters
    ],
)
def test_a_mirror_keeps_words_true_or_makes_no_copy(text: str, wanted: str | None) -> None:
    record = Record(
        "k",
        "k",
        Origin("s", "f"),
        {"image": Part("image", uri="a.jpg"), "q": Part("text", text=text)},
    )
    flip = Flip(only_split="")
    _, *copies = flip.process(record, 0, "augment.flip")
    assert [copy.record.parts["q"].text for copy in copies if copy.record] == (
        [] if wanted is None else [wanted]
    )
    assert bool(flip.remark(record)) == (wanted is None)


@given(st.integers(0, 1000))
def test_a_time_crop_cuts_sound_frames_and_words_alike(seed: int) -> None:
    cues = tuple(Cue(number, number + 1, str(number)) for number in range(10))
    parts = {
        "video": Part("video", uri="a.mp4", duration_s=10.0),
        "audio": Part("audio", uri="a.mp4", duration_s=10.2),
        "words": Part("text", text="", cues=cues),
    }
    _, copy = (
        row.record
        for row in CropTime(share=0.5, only_split="").process(
            Record("k", "k", Origin("s", "f"), parts), seed, "augment.crop_time"
        )
    )
    video, audio = copy.parts["video"], copy.parts["audio"]
    assert (video.start_s, video.end_s) == (audio.start_s, audio.end_s)
    assert video.start_s is not None
    assert video.end_s is not None
    assert video.start_s >= 0
    assert video.end_s <= 10.0 + 1e-9
    assert abs(video.end_s - video.start_s - 5) < 1e-9
    for cue in copy.parts["words"].cues:
        middle = video.start_s + (cue.start_s + cue.end_s) / 2
        assert int(middle) == int(cue.text)


@given(st.floats(-10, 40), st.floats(0.05, 0.99), st.floats(-0.5, 0.5))
def test_noise_has_its_ratio_to_what_moves_and_never_clips(
    ratio_db: float, level: float, offset: float
) -> None:
    sound = level * np.sin(np.arange(16_000) * 0.3) * 0.5 + offset
    noisy = apply_to_samples(
        sound.astype(np.float32), 16_000, [Step("noise", {"snr_db": ratio_db, "seed": 3})]
    )
    assert np.abs(noisy).max() <= 1
    # what was turned down was turned down as a whole: the sound is found again by projection
    moving = sound - sound.mean()
    share = float(((noisy - noisy.mean()) @ moving) / (moving @ moving))
    noise = noisy - noisy.mean() - share * moving
    found_db = 10 * np.log10((share * moving).var() / noise.var())
    assert found_db == pytest.approx(ratio_db, abs=0.3)


def test_noise_has_the_ratio_that_is_written_down() -> None:
    record = Record(
        "k", "k", Origin("s", "f"), {"audio": Part("audio", uri="a.wav")}, split="train"
    )
    _, copy = (
        row.record
        for row in Noise(snr_db=(20, 20), gain_db=(-6, -6)).process(record, 3, "augment.noise")
    )
    clean = 0.1 * np.sin(np.arange(48_000) / 10).astype(np.float32)
    noisy = apply_to_samples(clean, 16_000, copy.parts["audio"].steps)
    quiet = clean * 10 ** (-6 / 20)
    ratio = 10 * np.log10(np.mean(quiet**2) / np.mean((noisy - quiet) ** 2))
    assert abs(ratio - 20) < 0.2  # the power of 48,000 normal draws is known to about 0.03 dB


def test_steps_do_what_they_say() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert (apply_to_pixels(pixels, [Step("hflip"), Step("hflip")]) == pixels).all()
    cropped = apply_to_pixels(
        pixels, [Step("crop", {"left": 0.5, "top": 0.25, "width": 0.5, "height": 0.5})]
    )
    assert (cropped == pixels[1:3, 3:6]).all()
    assert (
        apply_to_pixels(pixels, [Step("brightness", {"factor": 2.0})])
        == np.minimum(pixels.astype(int) * 2, 255)
    ).all()
