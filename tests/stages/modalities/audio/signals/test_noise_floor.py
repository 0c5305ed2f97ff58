"""The noise that was planted beneath a sound with pauses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from measured import measured, signals_within

RATE_HZ = 16_000


def phrases(seconds: float = 6.0) -> np.ndarray:
    """Syllables of a harmonic sound in phrases, with pauses for a third of the time."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 140 * k * times + k) / k for k in range(1, 20))
    syllables = np.square(np.sin(np.pi * 4 * times))
    return 0.1 * np.where(times % 1.5 < 1.0, syllables * voice, 0.0)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0, 30.0, 40.0])
@pytest.mark.parametrize(("colour", "within_db"), [("white", 2.0), ("brown", 5.0)])
def test_the_planted_ratio_is_found(
    tmp_path: Path, snr_db: float, colour: str, within_db: float
) -> None:
    """Noise that rumbles is not the same in all frames, and the quietest of them have less."""
    clean = phrases()
    noise = np.random.default_rng(3).standard_normal(len(clean))
    if colour == "brown":
        steps = np.convolve(noise, 0.97 ** np.arange(400))[: len(noise)]
        noise = steps - steps.mean()
    noise *= np.sqrt(np.square(clean).mean() / np.square(noise).mean() / 10 ** (snr_db / 10))
    soundfile.write(tmp_path / "a.wav", (clean + noise) / 2, RATE_HZ, subtype="FLOAT")
    found = measured(tmp_path / "a.wav", "audio", "noise_floor").signals
    assert found["snr_db"] == pytest.approx(snr_db, abs=within_db)
    level = 10 * np.log10(np.square(noise / 2).mean())
    assert found["noise_floor_db"] == pytest.approx(level, abs=within_db)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_it_is_found_beneath_real_speech(tmp_path: Path, shared: Path, snr_db: float) -> None:
    """Above 20 dB the noise of the recording itself, about 30 dB below the speech, counts too."""
    for path in sorted((shared / "ljspeech_sample").rglob("*.wav")):
        speech, rate = soundfile.read(path)
        if len(speech) < 5 * rate:  # a sentence without a pause
            continue
        noise = np.random.default_rng(3).standard_normal(len(speech))
        noise *= np.sqrt(np.square(speech).mean() / 10 ** (snr_db / 10))
        soundfile.write(tmp_path / "a.wav", (speech + noise) / 4, rate, subtype="FLOAT")
        found = measured(tmp_path / "a.wav", "audio", "noise_floor").signals["snr_db"]
        assert found == pytest.approx(snr_db, abs=2.0)


def test_digital_silence_is_no_noise_and_a_sound_without_pauses_is_all_noise(
    tmp_path: Path,
) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    padded = np.concatenate([noise, np.zeros(4 * RATE_HZ)])
    soundfile.write(tmp_path / "a.wav", padded, RATE_HZ)
    whole = measured(tmp_path / "a.wav", "audio", "noise_floor")
    assert whole.signals["noise_floor_db"] == pytest.approx(-40, abs=1.0)
    assert whole.signals["snr_db"] < 0
    assert "snr_db" not in signals_within("audio", whole.tracks, 6.0, 3.0, 6.0, ["noise_floor"])
