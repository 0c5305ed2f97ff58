"""Which frames of a film are interlaced, by FFmpeg's filter ``idet``: it holds the lines of a frame
against those of the frames before and after it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import av.filter
from av import VideoFrame, VideoStream
from av.container import InputContainer

from .container import opened, pictures_of

_SAID = "lavfi.idet.multiple."


def count_fields(path: Path) -> tuple[int, int]:
    """How many frames of a film are interlaced, and how many progressive; those of which nothing
    can be told, packets that do not decode, and frames of another size than the first are in
    neither. ValueError where the filter cannot take them.
    """
    with opened(path, "not_a_video", "the film cannot be opened") as container:
        stream = pictures_of(container)
        stream.codec_context.thread_count = 1
        try:
            said = _judged(stream, _decodable(container, stream))
        except av.error.FFmpegError as error:  # of the filter, which says nothing of the film
            raise ValueError(f"idet: {error.strerror}") from error
    tff, bff, progressive = (
        round(float(said.get(_SAID + kind, 0))) for kind in ("tff", "bff", "progressive")
    )
    return tff + bff, progressive


def _decodable(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames that decode, those of the size and format of the first."""
    first = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            kind = (frame.width, frame.height, frame.format.name)
            first = first or kind
            if kind == first:
                yield frame


def _judged(stream: VideoStream, frames: Iterator[VideoFrame]) -> dict[str, str]:
    """What the last frame that came through the filter is said to be: counts of all before it."""
    graph, said = av.filter.Graph(), dict[str, str]()
    source = graph.add_buffer(template=stream, time_base=stream.time_base)
    judge, sink = graph.add("idet"), graph.add("buffersink")
    source.link_to(judge)
    judge.link_to(sink)
    graph.configure()
    for frame in itertools.chain(frames, [None]):
        graph.push(frame)
        with contextlib.suppress(BlockingIOError, EOFError):
            while True:
                said = dict(graph.pull().metadata)
    return said
