"""Which frames of a film are interlaced, by FFmpeg's filter ``idet``: it holds the lines of a frame
against those of the frames before and after it.
"""

from __future__ import annotations

from pathlib import Path

import av
import av.filter

from .container import opened, pictures_of

_SAID = "lavfi.idet.multiple."


def count_fields(path: Path) -> tuple[int, int]:
    """How many frames of a film are interlaced, and how many progressive; those of which nothing
    can be told, and packets that do not decode, are in neither.
    """
    with opened(path, "not_a_video", "the film cannot be opened") as container:
        stream = pictures_of(container)
        stream.codec_context.thread_count = 1
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream, time_base=stream.time_base)
        judge, sink = graph.add("idet"), graph.add("buffersink")
        source.link_to(judge)
        judge.link_to(sink)
        graph.configure()
        said: dict[str, str] = {}
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                graph.push(frame)
                said = _pulled(graph) or said
        graph.push(None)
        said = _pulled(graph) or said
        counts = {
            kind: round(float(said.get(_SAID + kind, 0))) for kind in ("tff", "bff", "progressive")
        }
        return counts["tff"] + counts["bff"], counts["progressive"]


def _pulled(graph: av.filter.Graph) -> dict[str, str]:
    """What the last frame that came through is said to be: counts since the beginning."""
    said: dict[str, str] = {}
    while True:
        try:
            said = dict(graph.pull().metadata)
        except (BlockingIOError, EOFError):
            return said
