"""Sounds read at another pace, stretch by stretch, of which it is known where each moment went."""

from __future__ import annotations

import itertools

import av
import numpy as np

RATE_HZ = 16_000
_FEWEST = 1600  # samples that atempo makes something of


def at_pace(samples: np.ndarray, factor: float) -> np.ndarray:
    """The samples ``factor`` times as fast at the same pitch, by FFmpeg's atempo."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE_HZ, format="flt", layout="mono")
    tempo, sink = graph.add("atempo", str(factor)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    graph.push(frame)
    graph.push(None)
    pieces = []
    while True:
        try:
            pieces.append(graph.pull().to_ndarray()[0])
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(pieces)


def warped(
    samples: np.ndarray, edges: np.ndarray, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples with each stretch between two edges at 0.7 to 1.4 of its pace, but for those of
    less than 0.1 s; where the edges lie before and after, in seconds.
    """
    pieces = [
        at_pace(samples[begin:end], chance.uniform(0.7, 1.4))
        if end - begin > _FEWEST
        else samples[begin:end]
        for begin, end in itertools.pairwise(edges)
    ]
    after = np.cumsum([0, *map(len, pieces)])
    return np.concatenate(pieces), edges / RATE_HZ, after / RATE_HZ
