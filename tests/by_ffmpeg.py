"""What FFmpeg's filters say of a file, or make of it: who judges signals and steps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioFrame, VideoFrame

Filters = Sequence[tuple[str, str]]


def metadata_of(path: Path, filters: Filters, pictures: bool = False) -> list[dict[str, str]]:
    """What each frame of a file is said to be after filters ``(name, options)``."""
    return [dict(frame.metadata) for frame in _filtered(path, filters, pictures)]


def sound_after(path: Path, filters: Filters) -> tuple[np.ndarray, int]:
    """The samples ``float32 [T, C]`` of a file after filters, and their rate."""
    frames = _filtered(path, [*filters, ("aformat", "sample_fmts=flt")], False)
    samples = [frame.to_ndarray().reshape(-1, len(frame.layout.channels)) for frame in frames]
    return np.concatenate(samples), frames[0].sample_rate


def frames_after(path: Path, filters: Filters) -> list[tuple[float, np.ndarray]]:
    """When each frame of a film is shown after filters, and its pixels ``uint8 [H, W, 3]``."""
    return [
        (float(frame.time), frame.to_ndarray(format="rgb24"))
        for frame in _filtered(path, filters, True)
    ]


def _filtered(path: Path, filters: Filters, pictures: bool) -> list[AudioFrame | VideoFrame]:
    graph, found = av.filter.Graph(), []
    with av.open(str(path)) as container:
        stream = container.streams.video[0] if pictures else container.streams.audio[0]
        if pictures:
            source = graph.add_buffer(template=stream, time_base=stream.time_base)
        else:
            unit = stream.time_base or Fraction(1, stream.rate)
            source = graph.add_abuffer(template=stream, time_base=unit)
        chain = [source, *(graph.add(name, options) for name, options in filters)]
        chain.append(graph.add("buffersink" if pictures else "abuffersink"))
        for before, after in itertools.pairwise(chain):
            before.link_to(after)
        graph.configure()
        for frame in [*container.decode(stream), None]:
            graph.push(frame)
            while True:
                try:
                    found.append(graph.pull())
                except (BlockingIOError, EOFError):
                    break
    return found
