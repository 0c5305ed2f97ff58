"""Recordings are found again after compression, resampling and cutting; others are not taken for
them.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.stages.media.fingerprint import bit_errors, fingerprint_of, sound_alikes

RATE_HZ = 16_000


def voice(seed: int, seconds: float = 4.0) -> np.ndarray:
    """Like speech in what matters here: noise whose spectrum changes every tenth of a second."""
    random = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(seconds * 10)):
        taps = random.normal(0, 1, 64) * np.hanning(64)
        level = random.choice([0.0, 0.3, 1.0], p=[0.1, 0.3, 0.6])
        pieces.append(level * np.convolve(random.normal(0, 1, RATE_HZ // 10), taps, "same"))
    sound = np.concatenate(pieces)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def encoded(samples: np.ndarray, form: str, subtype: str | None = None) -> tuple[np.ndarray, int]:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format=form, subtype=subtype)
    buffer.seek(0)
    found, rate_hz = soundfile.read(buffer, dtype="float32")
    return found, rate_hz


COPIES = {
    "itself": lambda sound: (sound, RATE_HZ),
    "mp3": lambda sound: encoded(sound, "MP3"),
    "vorbis": lambda sound: encoded(sound, "OGG", "VORBIS"),
    "opus": lambda sound: encoded(sound, "OGG", "OPUS"),
    "8 bits": lambda sound: encoded(sound, "WAV", "PCM_U8"),
    "telephone": lambda sound: (soxr.resample(sound, RATE_HZ, 8000), 8000),
    "44.1 kHz": lambda sound: (soxr.resample(sound, RATE_HZ, 44_100), 44_100),
    "quieter": lambda sound: (0.1 * sound, RATE_HZ),
    "piece": lambda sound: (sound[RATE_HZ // 3 : 2 * RATE_HZ], RATE_HZ),
    "late": lambda sound: (np.concatenate([np.zeros(5000, np.float32), sound]), RATE_HZ),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_among_others_and_others_are_not_copies(name: str) -> None:
    sounds = [voice(seed) for seed in range(8)]
    prints = [fingerprint_of(sound, RATE_HZ) for sound in sounds]
    copies = [fingerprint_of(*COPIES[name](sound)) for sound in sounds]
    pairs = {(one, other) for one, other, _ in sound_alikes([*prints, *copies])}
    assert pairs == {(number, number + 8) for number in range(8)}


def test_unlike_recordings_differ_in_nearly_half_of_their_bits() -> None:
    prints = [fingerprint_of(voice(seed), RATE_HZ) for seed in range(10)]
    errors = [
        bit_errors(one, other, 0)[0] for one in prints for other in prints if one is not other
    ]
    assert 0.4 < np.mean(errors) < 0.55
    assert min(errors) > 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(-30, 30))
def test_a_later_begin_is_found_as_a_shift(seed: int, frames: int) -> None:
    own = fingerprint_of(voice(seed), RATE_HZ)
    moved = own[frames:] if frames >= 0 else np.r_[np.zeros(-frames, np.uint32), own]
    errors, count = bit_errors(own, moved, frames)
    assert errors == 0
    assert count == np.count_nonzero(moved)


def test_silence_and_moments_have_nothing_to_compare() -> None:
    nothing = [np.zeros(RATE_HZ, np.float32), np.zeros(10, np.float32), voice(0)[:2000]]
    prints = [fingerprint_of(sound, RATE_HZ) for sound in nothing]
    assert [int(np.count_nonzero(own)) for own in prints] == [0, 0, 0]
    assert sound_alikes(prints) == []
    assert sound_alikes([]) == []
