"""Loudness against the test signals of EBU Tech 3341 and 3342, and against FFmpeg's ebur128."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from by_ffmpeg import metadata_of
from measured import measured, signals_within

RATE_HZ = 16_000


def tones(path: Path, levels_db: list[float], seconds: list[float], channels: int = 2) -> Path:
    """A tone of 1 kHz at one peak level after the other, the same in all channels."""
    pieces = [
        10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(own * RATE_HZ)) / RATE_HZ)
        for level, own in zip(levels_db, seconds, strict=True)
    ]
    samples = np.tile(np.concatenate(pieces)[:, None], (1, channels))
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return path


def rustling(path: Path, rate_hz: int, channels: int, seconds: float = 4.0) -> Path:
    """Noise that swells and fades, another in each channel."""
    rng = np.random.default_rng(channels)
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    swell = 0.02 + 0.2 * np.square(np.sin(2 * np.pi * 0.4 * times))
    noise = swell[:, None] * rng.standard_normal((len(times), channels)) / 2
    # which of six channels is which only this format says
    form = "WAVEX" if channels > 2 else "WAV"
    soundfile.write(path, noise.clip(-1, 1), rate_hz, subtype="FLOAT", format=form)
    return path


def by_ebur128(path: Path) -> float:
    said = [each for each in metadata_of(path, [("ebur128", "metadata=1")]) if each]
    return float(said[-1]["lavfi.r128.I"])


@pytest.mark.parametrize(
    ("levels_db", "seconds", "lufs"),
    [
        ([-23.0], [3.0], -23.0),  # cases 1 and 2 of Tech 3341
        ([-33.0], [3.0], -33.0),
        ([-36.0, -23.0, -36.0], [10.0, 60.0, 10.0], -23.0),  # case 3: what is soft is gated
        ([-72.0, -36.0, -23.0, -36.0, -72.0], [10.0, 10.0, 60.0, 10.0, 10.0], -23.0),  # case 4
    ],
)
def test_it_is_that_of_the_test_signals(
    tmp_path: Path, levels_db: list[float], seconds: list[float], lufs: float
) -> None:
    found = measured(tones(tmp_path / "a.wav", levels_db, seconds), "audio", "loudness").signals
    assert found["loudness_lufs"] == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(("levels_db", "range_lu"), [([-20.0, -30.0], 10.0), ([-20.0, -15.0], 5.0)])
def test_its_range_is_that_of_the_test_signals(
    tmp_path: Path, levels_db: list[float], range_lu: float
) -> None:
    """Cases 1 and 2 of Tech 3342."""
    path = tones(tmp_path / "a.wav", levels_db, [20.0, 20.0], channels=1)
    found = measured(path, "audio", "loudness").signals
    assert found["range_lu"] == pytest.approx(range_lu, abs=1.0)


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(8000, 1), (11025, 1), (16_000, 2), (44_100, 2), (48_000, 6)]
)
def test_it_is_that_of_ebur128(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = rustling(tmp_path / "a.wav", rate_hz, channels)
    found = measured(path, "audio", "loudness").signals["loudness_lufs"]
    assert found == pytest.approx(by_ebur128(path), abs=0.1)


def test_a_span_has_that_of_the_file_that_holds_it_alone(tmp_path: Path) -> None:
    path = rustling(tmp_path / "a.wav", 16_000, 2)
    whole = measured(path, "audio", "loudness")
    soundfile.write(tmp_path / "b.wav", soundfile.read(path)[0][16_000:48_000], 16_000, "FLOAT")
    cut = measured(tmp_path / "b.wav", "audio", "loudness").signals["loudness_lufs"]
    own = signals_within("audio", whole.tracks, 4.0, 1.0, 3.0, ["loudness"])["loudness_lufs"]
    assert own == pytest.approx(cut, abs=0.1)
    assert abs(own - whole.signals["loudness_lufs"]) > 0.2


@pytest.mark.parametrize(("level_db", "seconds"), [(-23.0, 0.3), (-90.0, 2.0)])
def test_it_is_unknown_of_what_is_too_short_or_too_soft(
    tmp_path: Path, level_db: float, seconds: float
) -> None:
    found = measured(tones(tmp_path / "a.wav", [level_db], [seconds]), "audio", "loudness").signals
    assert "loudness_lufs" not in found
    assert "range_lu" not in found


def test_a_long_sound_is_heard_in_pieces_that_fit(tmp_path: Path) -> None:
    """The filters go on from one piece to the next: a constant is heard once, as it sets in."""
    samples, rate = soundfile.read(rustling(tmp_path / "a.wav", 8000, 1, seconds=25.0))
    soundfile.write(tmp_path / "a.wav", samples / 50 + 0.5, rate, subtype="FLOAT")
    found = measured(tmp_path / "a.wav", "audio", "loudness").signals["loudness_lufs"]
    assert found == pytest.approx(by_ebur128(tmp_path / "a.wav"), abs=0.1)
