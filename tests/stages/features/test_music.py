"""Chroma, contrast and tempo by answers known from what they mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.stages.features.music import Music

RATE_HZ = 22_050
PITCHES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


def tone(hertz: float, seconds: float = 2.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(
        np.float32
    )


@pytest.mark.parametrize(("hertz", "pitch"), [(440, "A"), (261.63, "C"), (369.99, "F#")])
def test_a_tone_is_its_pitch_class_in_any_octave(hertz: float, pitch: str) -> None:
    # of low ones a frame of 93 ms cannot tell the neighbours apart
    for octave in (1, 2, 4):
        chroma = Music().extract(tone(hertz * octave))[:12]
        assert PITCHES[int(chroma.argmax())] == pitch
        assert np.sort(chroma)[-2] < 0.5 * chroma.max()


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_clicks_have_the_tempo_at_which_they_come(bpm: int) -> None:
    sound = np.zeros(12 * RATE_HZ, np.float32)
    for start in np.arange(0, 12, 60 / bpm):
        place = int(start * RATE_HZ)
        sound[place : place + 400] = np.random.default_rng(0).normal(0, 0.3, 400)[
            : len(sound) - place
        ]
    assert Music().extract(sound)[-1] * 120 == pytest.approx(bpm, rel=0.04)


def test_a_tone_stands_out_of_its_band_and_noise_does_not() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE_HZ).astype(np.float32)
    flat, sharp = (Music().extract(sound)[12:19] for sound in (noise, noise / 30 + tone(1000)))
    # 1000 Hz lies in 800 to 1600 Hz, the fourth of the bands
    assert int((sharp - flat).argmax()) == 3
    assert sharp[3] > flat[3] + 1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 5000), st.floats(0, 1))
def test_short_silent_and_loud_sounds_have_finite_vectors(samples: int, level: float) -> None:
    noise = np.random.default_rng(samples).normal(0, 1, samples).astype(np.float32)
    for sound in (np.zeros(samples, np.float32), level * noise):
        vector = Music().extract(sound)
        assert vector.shape == (Music().dims(),)
        assert np.isfinite(vector).all()
    assert Music().extract(np.zeros(samples, np.float32))[-1] == 0


def test_a_rate_too_low_for_the_bands_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz: wanted 16000 or more, found 8000"):
        Music(rate_hz=8000)
