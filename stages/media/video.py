"""Video: what a file holds, frames by time, and noticing damage that a decoder conceals.

PyAV (FFmpeg) reads by default, one thread a file. decord may be chosen; it can loop for ever on damaged files, which is why every
decoder runs in a worker that is killed at its deadline. Times are seconds from the first frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np

from ...schemas.errors import DamageError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v")
LARGEST_FRAME_PIXELS = 8192 * 8192


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a container says of itself; ``frames`` and ``duration_s`` are claims, not counts. Zero where it does not say."""

    width: int
    height: int
    fps: float
    frames: int
    duration_s: float
    has_sound: bool
    sample_rate_hz: int
    channels: int


def probe(path: Path) -> VideoFacts:
    """The facts in the container's header; DamageError for what is not a video."""
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise DamageError("no_video_stream", "the file has no pictures")
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > LARGEST_FRAME_PIXELS:
                raise DamageError("video_too_large", f"frames of {width} x {height} pixels")
            seconds = 0.0
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                seconds = container.duration / 1e6
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            sound = container.streams.audio[0].codec_context if container.streams.audio else None
            return VideoFacts(
                width, height, rate, stream.frames, seconds, sound is not None, sound.sample_rate if sound else 0, sound.channels if sound else 0
            )
    except av.error.FFmpegError as error:
        raise DamageError("not_a_video", f"the file cannot be opened as video: {error}") from None
    except (IndexError, UnicodeDecodeError) as error:
        raise DamageError("video_header", f"the container is damaged: {error}") from None


def frames(path: Path, width: int = 0, height: int = 0, pixel_format: str = "rgb24") -> Iterator[tuple[float, np.ndarray]]:
    """All frames with their time, scaled if a size is given; DamageError at the first packet that is damaged."""
    seen = False
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise DamageError("no_video_stream", "the file has no pictures")
            stream = container.streams.video[0]
            stream.thread_count = 1
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            first: float | None = None
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise DamageError("video_damaged", f"the frame at {float(frame.time or 0):.2f} s is damaged")
                if frame.width * frame.height > LARGEST_FRAME_PIXELS:
                    raise DamageError("video_too_large", f"frames of {frame.width} x {frame.height} pixels")
                time = float(frame.time) if frame.time is not None else 0.0
                first = time if first is None else first
                seen = True
                yield time - first, frame.reformat(width=width or None, height=height or None, format=pixel_format).to_ndarray()
    except av.error.FFmpegError as error:
        raise DamageError("video_damaged" if seen else "not_a_video", f"the pictures do not decode to their end: {error}") from None


def sample(
    path: Path, count: int, short_side: int, start_s: float | None = None, end_s: float | None = None, reader: Literal["pyav", "decord"] = "pyav"
) -> np.ndarray:
    """``count`` frames ``uint8 [count, H, W, 3]``, evenly spaced over the span [start_s, end_s), the middle of each stretch.

        span   |----.----|----.----|----.----|----.----|      count = 4
                    ^         ^         ^         ^

    A clip shorter than ``count`` frames repeats its frames.
    """
    if reader == "decord":
        return _sample_decord(path, count, short_side, start_s, end_s)
    facts = probe(path)
    width, height = _scaled(facts.width, facts.height, short_side)
    begin = start_s or 0.0
    times: list[float] = []
    images: list[np.ndarray] = []
    for time, image in frames(path, width, height):
        if time + 1e-6 < begin:
            continue
        if end_s is not None and time + 1e-6 >= end_s:
            break
        times.append(time)
        images.append(image)
    if not images:
        raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no frame")
    return np.stack([images[position] for position in _middles(len(images), count)])


def _middles(length: int, count: int) -> list[int]:
    return [min(length - 1, int((2 * step + 1) * length / (2 * count))) for step in range(count)]


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    short = min(width, height)
    if not short or short <= short_side:
        return width, height
    return max(2, round(width * short_side / short)), max(2, round(height * short_side / short))


def _sample_decord(path: Path, count: int, short_side: int, start_s: float | None, end_s: float | None) -> np.ndarray:
    import decord

    facts = probe(path)
    width, height = _scaled(facts.width, facts.height, short_side)
    try:
        reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
        rate = reader.get_avg_fps()
        first = 0 if start_s is None else round(start_s * rate)
        last = len(reader) if end_s is None else min(len(reader), round(end_s * rate))
        if last <= first:
            raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no frame")
        return np.asarray(reader.get_batch([first + step for step in _middles(last - first, count)]).asnumpy())
    except decord.DECORDError as error:
        raise DamageError("video_damaged", f"decord cannot read the pictures: {str(error).splitlines()[0]}") from None


def encode_mjpeg(images: np.ndarray, fps: float) -> bytes:
    """Frames ``uint8 [T, H, W, 3]`` as an mp4 of key frames only (Motion JPEG), so that any frame is one seek and one decode."""
    import io
    from fractions import Fraction

    buffer = io.BytesIO()
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    with av.open(buffer, "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("mjpeg", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        stream.thread_count = 1
        stream.codec_context.options = {"qscale": "3", "flags": "+bitexact"}
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return buffer.getvalue()
