"""Where the spectrum of a sound ends, which another tool has cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from by_ffmpeg import sound_after
from measured import measured


def noise(path: Path, rate_hz: int = 16_000) -> Path:
    samples = 0.1 * np.random.default_rng(0).standard_normal(3 * rate_hz)
    soundfile.write(path, samples, rate_hz)
    return path


def bandwidth_of(path: Path) -> float:
    return measured(path, "audio", "bandwidth").signals["bandwidth_hz"]


def by_way_of(path: Path, slow_hz: int, rate_hz: int) -> Path:
    """The sound after FFmpeg brought it to a slow rate and back."""
    filters = [("aresample", str(slow_hz)), ("aresample", str(rate_hz))]
    samples, rate = sound_after(path, filters)
    made = path.with_name(f"{slow_hz}.wav")
    soundfile.write(made, samples, rate, subtype="PCM_16")
    return made


@pytest.mark.parametrize(
    ("slow_hz", "rate_hz"), [(8000, 16_000), (22_050, 44_100), (16_000, 48_000), (32_000, 48_000)]
)
def test_noise_of_a_slow_rate_in_a_fast_file(tmp_path: Path, slow_hz: int, rate_hz: int) -> None:
    path = by_way_of(noise(tmp_path / "a.wav", rate_hz), slow_hz, rate_hz)
    assert bandwidth_of(path) == pytest.approx(slow_hz / 2, rel=0.05)


def test_noise_has_all_of_its_file(tmp_path: Path) -> None:
    for rate_hz in (8000, 16_000, 44_100):
        assert bandwidth_of(noise(tmp_path / "a.wav", rate_hz)) == rate_hz / 2


def test_speech_by_telephone_and_speech_as_it_is(tmp_path: Path, shared: Path) -> None:
    for path in sorted((shared / "ljspeech_sample").rglob("*.wav"))[:4]:
        samples, rate = sound_after(path, [("aresample", "16000")])
        soundfile.write(tmp_path / "a.wav", samples, rate)
        assert bandwidth_of(tmp_path / "a.wav") > 7000
        made = by_way_of(tmp_path / "a.wav", 8000, 16_000)
        assert bandwidth_of(made) == pytest.approx(4000, abs=200)


@pytest.mark.parametrize("constant", [0.0, 0.25])
def test_silence_has_none(tmp_path: Path, constant: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(16_000, constant), 16_000)
    assert "bandwidth_hz" not in measured(tmp_path / "a.wav", "audio", "bandwidth").signals
