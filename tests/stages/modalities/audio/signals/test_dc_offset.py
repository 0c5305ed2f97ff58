"""The constant part of a sound, where it is known, and against FFmpeg's astats."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from measured import measured, signals_within

RATE_HZ = 8000


def made(path: Path, offsets: list[float], seconds: float = 1.0) -> Path:
    """Seconds of a tone on one offset after the other."""
    times = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
    pieces = [offset + 0.2 * np.sin(2 * np.pi * 50 * times) for offset in offsets]
    soundfile.write(path, np.concatenate(pieces), RATE_HZ, subtype="FLOAT")
    return path


def by_astats(path: Path) -> float:
    graph = av.filter.Graph()
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        source = graph.add_abuffer(
            template=stream, time_base=stream.time_base or Fraction(1, RATE_HZ)
        )
        stats, sink = graph.add("astats", "metadata=1"), graph.add("abuffersink")
        source.link_to(stats)
        stats.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            graph.push(frame)
            last = graph.pull()
    return float(last.metadata["lavfi.astats.1.DC_offset"])


@pytest.mark.parametrize("offset", [0.0, 0.1, -0.3])
def test_it_is_the_constant_that_was_added(tmp_path: Path, offset: float) -> None:
    path = made(tmp_path / "a.wav", [offset])
    found = measured(path, "audio", "dc_offset").signals["dc_offset"]
    assert found == pytest.approx(offset, abs=1e-5)
    assert found == pytest.approx(by_astats(path), abs=1e-4)


def test_it_is_that_of_the_span_and_of_the_mean_of_the_channels(tmp_path: Path) -> None:
    whole = measured(made(tmp_path / "a.wav", [0.1, -0.2]), "audio", "dc_offset")
    assert whole.signals["dc_offset"] == pytest.approx(-0.05, abs=1e-5)
    for span, wanted in (((0.0, 1.0), 0.1), ((1.0, 2.0), -0.2), ((0.5, 1.5), -0.05)):
        found = signals_within("audio", whole.tracks, 2.0, *span, names=["dc_offset"])
        assert found == {"dc_offset": pytest.approx(wanted, abs=1e-5)}
    stereo = np.tile([0.5, -0.1], (RATE_HZ, 1))
    soundfile.write(tmp_path / "b.wav", stereo, RATE_HZ, subtype="FLOAT")
    found = measured(tmp_path / "b.wav", "audio", "dc_offset").signals
    assert found["dc_offset"] == pytest.approx(0.2, abs=1e-5)
