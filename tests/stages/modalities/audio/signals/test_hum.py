"""Mains hum that was planted, and none where none was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from measured import measured

RATE_HZ = 16_000


def hum(mains_hz: float, level_db: float, seconds: float) -> np.ndarray:
    """Hum with two harmonics at an RMS level."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(
        share * np.sin(2 * np.pi * number * mains_hz * times + number)
        for number, share in ((1, 1.0), (2, 0.5), (3, 0.3))
    )
    return 10 ** (level_db / 20) * wave / np.sqrt(np.square(wave).mean())


def signals_of_sound(path: Path, samples: np.ndarray) -> dict[str, float]:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return measured(path, "audio", "hum").signals


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
@pytest.mark.parametrize("level_db", [-60.0, -40.0, -20.0])
def test_its_level_and_its_mains_are_found(
    tmp_path: Path, mains_hz: float, level_db: float
) -> None:
    noise = 0.003 * np.random.default_rng(0).standard_normal(4 * RATE_HZ)
    found = signals_of_sound(tmp_path / "a.wav", noise + hum(mains_hz * 1.002, level_db, 4.0))
    assert found["hum_db"] == pytest.approx(level_db, abs=1.0)
    assert found["hum_hz"] == mains_hz


def test_it_is_found_beneath_real_speech(tmp_path: Path, shared: Path) -> None:
    for path in sorted((shared / "ljspeech_sample").rglob("*.wav"))[:3]:
        speech, rate = soundfile.read(path)
        speech = np.interp(np.arange(len(speech) * RATE_HZ // rate) * rate / RATE_HZ,
                           np.arange(len(speech)), speech)  # fmt: skip
        seconds = len(speech) / RATE_HZ
        if seconds >= 2:
            planted = speech + hum(50.0, -45.0, seconds + 0.01)[: len(speech)]
            assert signals_of_sound(tmp_path / "a.wav", speech)["hum_db"] < -70
            found = signals_of_sound(tmp_path / "a.wav", planted)
            assert (found["hum_db"], found["hum_hz"]) == (pytest.approx(-45, abs=1.0), 50.0)


@pytest.mark.parametrize("seed", range(5))
def test_noise_silence_and_a_voice_that_moves_have_none(tmp_path: Path, seed: int) -> None:
    times = np.arange(3 * RATE_HZ) / RATE_HZ
    glide = 0.2 * np.sin(2 * np.pi * (80 * times + 15 * np.square(times)))
    noise = 0.1 * np.random.default_rng(seed).standard_normal(3 * RATE_HZ)
    sung = np.concatenate([noise[:RATE_HZ] / 9, hum(50.0, -20, 1.0), noise[: 3 * RATE_HZ] / 9])
    for samples in (noise, glide, sung, np.zeros(3 * RATE_HZ)):
        found = signals_of_sound(tmp_path / "a.wav", samples)
        assert found["hum_db"] == -120
        assert "hum_hz" not in found
    assert "hum_db" not in signals_of_sound(tmp_path / "b.wav", noise[:RATE_HZ])
