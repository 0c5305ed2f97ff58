"""Peaks between samples, where theory knows them and against FFmpeg's ebur128."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from by_ffmpeg import metadata_of
from measured import measured, signals_within

RATE_HZ = 44_100


def tone(path: Path, share: float, phase: float, level: float = 0.5, seconds: float = 0.5) -> Path:
    """A tone whose frequency is this share of the rate, faded in and out."""
    count = np.arange(round(seconds * RATE_HZ))
    fade = np.minimum(1.0, np.minimum(count, count[::-1]) / 1000)
    samples = level * fade * np.sin(2 * np.pi * share * count + phase)
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("share", "phase"), [(1 / 4, np.pi / 4), (1 / 6, 0.0), (1 / 8, np.pi / 8)])
def test_it_is_that_of_the_tone_and_not_of_its_samples(
    tmp_path: Path, share: float, phase: float
) -> None:
    """The signals of EBU Tech 3341, cases 15 to 19: +0.2, -0.4 dB."""
    path = tone(tmp_path / "a.wav", share, phase)
    of_samples = 20 * np.log10(np.abs(soundfile.read(path)[0]).max())
    found = measured(path, "audio", "true_peak").signals["true_peak_dbtp"]
    assert found == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert of_samples < found - 0.5


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 2), (44_100, 1), (96_000, 2)])
def test_it_is_that_of_ebur128(tmp_path: Path, rate_hz: int, channels: int) -> None:
    white = 0.3 * np.random.default_rng(1).standard_normal((rate_hz + 2, channels))
    noise = (white[:-2] + 2 * white[1:-1] + white[2:]) / 4
    soundfile.write(tmp_path / "a.wav", noise.clip(-1, 1), rate_hz, subtype="FLOAT")
    said = metadata_of(tmp_path / "a.wav", [("ebur128", "metadata=1:peak=true")])[-1]
    peaks = [float(value) for name, value in said.items() if ".true_peaks_ch" in name]
    found = measured(tmp_path / "a.wav", "audio", "true_peak").signals["true_peak_dbtp"]
    assert found == pytest.approx(20 * np.log10(max(peaks)), abs=0.2)


def test_it_is_of_the_span_and_a_long_sound_is_read_in_pieces(tmp_path: Path) -> None:
    samples = np.zeros(8000 * 24)
    for second, level in ((3, 0.25), (15, 0.5), (22, 0.125)):
        own = slice(second * 8000, second * 8000 + 4000)
        samples[own] = level * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    whole = measured(tmp_path / "a.wav", "audio", "true_peak")
    assert whole.signals["true_peak_dbtp"] == pytest.approx(-6.02, abs=0.1)
    for span, level in (((2.0, 5.0), 0.25), ((15.0, 15.5), 0.5), ((21.0, 24.0), 0.125)):
        own = signals_within("audio", whole.tracks, 24.0, *span, names=["true_peak"])
        # the tone sets in at once, and so its edge rises a little higher
        assert own["true_peak_dbtp"] == pytest.approx(20 * np.log10(level), abs=0.2)
    silent = signals_within("audio", whole.tracks, 24.0, 8.0, 12.0, ["true_peak"])
    assert silent["true_peak_dbtp"] < -60
