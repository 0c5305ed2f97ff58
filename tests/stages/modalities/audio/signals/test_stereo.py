"""What was planted between two channels is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from measured import measured, signals_within

RATE_HZ = 8000
NOISE = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE_HZ))


def found_of(path: Path, *channels: np.ndarray, subtype: str = "PCM_16") -> dict[str, float]:
    soundfile.write(path, np.stack(channels, 1), RATE_HZ, subtype=subtype)
    names = ("dead_channels", "correlation", "dual_mono", "antiphase")
    signals = measured(path, "audio", "stereo").signals
    return {name: signals[name] for name in names if name in signals}


@pytest.mark.parametrize(
    ("left", "right", "correlation", "same", "opposite"),
    [
        (NOISE[0], NOISE[0], 1.0, 1.0, 0.0),
        (NOISE[0], -NOISE[0], -1.0, 0.0, 1.0),
        (NOISE[0], NOISE[1], 0.0, 0.0, 0.0),
        (NOISE[0], 0.5 * NOISE[0], 1.0, 0.0, 0.0),  # one sound, but not in the middle
        (NOISE[0], NOISE[0] + 0.2, 1.0, 1.0, 0.0),  # but for a constant
        # what a lossy coder makes of one sound
        (NOISE[0], NOISE[0] + 0.003 * NOISE[1], 1.0, 1.0, 0.0),
    ],
)
def test_two_channels_are_one_opposite_or_apart(
    tmp_path: Path,
    left: np.ndarray,
    right: np.ndarray,
    correlation: float,
    same: float,
    opposite: float,
) -> None:
    found = found_of(tmp_path / "a.wav", left, right)
    assert found["correlation"] == pytest.approx(np.corrcoef(left, right)[0, 1], abs=1e-3)
    assert found["correlation"] == pytest.approx(correlation, abs=0.03)
    assert found["dual_mono"] == pytest.approx(same)
    assert found["antiphase"] == pytest.approx(opposite)
    assert found["dead_channels"] == 0


@pytest.mark.parametrize(
    "dead",
    [
        np.zeros(2 * RATE_HZ),
        np.full(2 * RATE_HZ, 0.25),
        # the dither of 16 bits
        (np.random.default_rng(1).random(2 * RATE_HZ) - 0.5) / 2**15,
    ],
)
def test_a_dead_channel_is_counted_whatever_it_holds(tmp_path: Path, dead: np.ndarray) -> None:
    found = found_of(tmp_path / "a.wav", NOISE[0], dead)
    assert found["dead_channels"] == 1
    assert found["dual_mono"] == found["antiphase"] == 0
    assert found_of(tmp_path / "b.wav", dead) == {"dead_channels": 1.0}
    assert found_of(tmp_path / "c.wav", NOISE[0]) == {"dead_channels": 0.0}
    assert found_of(tmp_path / "d.wav", dead, dead)["dead_channels"] == 2


def test_it_is_of_the_span(tmp_path: Path) -> None:
    left, right = NOISE[0], NOISE[0] * np.repeat([1, -1], RATE_HZ)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), RATE_HZ)
    tracks = measured(tmp_path / "a.wav", "audio", "stereo").tracks
    halves = [
        signals_within("audio", tracks, 2.0, *span, names=["stereo"])
        for span in ((0.0, 1.0), (1.0, 2.0), (0.5, 1.5))
    ]
    assert [each["dual_mono"] for each in halves] == pytest.approx([1.0, 0.0, 0.5], abs=1e-6)
    assert [each["antiphase"] for each in halves] == pytest.approx([0.0, 1.0, 0.5], abs=1e-6)
    assert halves[2]["correlation"] == pytest.approx(0.0, abs=0.1)
