"""Extractors without weights that can give their frames or words in order."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
from modalmill.stages.base import Extractor, make
from modalmill.stages.features.audio import Audio
from modalmill.stages.features.image import Image
from modalmill.stages.features.video import Video
from tiny import picture, tone


@pytest.mark.parametrize("deltas", [False, True])
def test_statistics_of_the_frames_of_a_sound_are_its_vector(deltas: bool) -> None:
    samples = tone(440, 1.3, 16_000) + tone(1000, 1.3, 16_000)
    frames = Audio(pool="none", deltas=deltas).extract(samples)
    # centred frames: one more than there are hops
    assert frames.shape == (len(samples) // 256 + 1, Audio(pool="none", deltas=deltas).dims())
    wanted = Audio(deltas=deltas).extract(samples)
    found = np.concatenate([frames.mean(0), frames.std(0)])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_frames_of_a_sound_are_librosas_mfcc_in_tens_of_decibels() -> None:
    samples = tone(440, 0.7, 16_000)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=1024, hop_length=256, n_mels=40, pad_mode="constant"
    )
    wanted = librosa.feature.mfcc(S=10 * np.log10(np.maximum(1e-10, power)), n_mfcc=20) / 10
    found = Audio(pool="none").extract(samples)[:, :20]
    np.testing.assert_allclose(found, wanted.T, atol=1e-2)


def test_frames_of_a_film_are_its_pictures() -> None:
    film = np.stack([picture(40, 50, seed) for seed in range(5)])
    found = Video(pool="none", frames=5).extract(film)
    wanted = [Image(grid=2).extract(frame) for frame in film]
    np.testing.assert_array_equal(found, wanted)
    pooled = Video(frames=5).extract(film)
    np.testing.assert_allclose(pooled[: found.shape[1]], found.mean(0), atol=1e-6)


@pytest.mark.parametrize("kind", [Audio, Video])
def test_what_was_cached_as_one_vector_stays_good(kind: type[Extractor]) -> None:
    plain = kind()
    assert not {"pool", "longest"} & plain.deciding().keys()
    sequence = kind(pool="none")  # type: ignore[call-arg]  # both have it
    assert sequence.identity() != plain.identity()
    assert (plain.sequence_limit(), sequence.sequence_limit()) == (None, 1500)
    assert (plain.counted(), sequence.counted()) == ((), ("longer",))


@pytest.mark.parametrize(
    ("address", "options", "told"),
    [
        ("features.audio", {"longest": 9}, "longest: is of a sequence"),
        ("features.video", {"pool": "none", "longest": 0}, "longest: wanted at least 1, found 0"),
        (
            "features.reduced",
            {"of": {"features.audio": {"pool": "none"}}, "rank": 3},
            "of: features.audio gives sequences here",
        ),
    ],
)
def test_what_no_sequence_can_have_is_told(
    address: str, options: dict[str, Any], told: str
) -> None:
    made, problems = make(address, Extractor, options, "features.x")
    assert made is None
    assert told in "\n".join(problems)
