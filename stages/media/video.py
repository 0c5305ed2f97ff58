"""Video: what a file holds, frames by time, and noticing damage that a decoder conceals.

PyAV (FFmpeg) reads by default, one thread a file. decord may be chosen; it can loop for ever on damaged files, which is why every
decoder runs in a worker that is killed at its deadline. Times are seconds from the first frame.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ...schemas.errors import DamageError
from .image import decode as decode_image
from .image import encode_jpeg as encode_image

LARGEST_FRAME_PIXELS = 8192 * 8192
_WORTH_SEEKING = 100


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
        raise DamageError("not_a_video", f"the file cannot be opened as video: {error.strerror}") from None
    except (IndexError, UnicodeDecodeError) as error:
        raise DamageError("video_header", f"the container is damaged: {error}") from None


def frames(
    path: Path, width: int = 0, height: int = 0, pixel_format: str = "rgb24", damage: list[float] | None = None
) -> Iterator[tuple[float, np.ndarray]]:
    """All frames with their time, scaled if a size is given.

    Damage that decoders usually conceal is found by asking FFmpeg to give up on it: with ``damage`` the time of each packet or
    frame that is damaged is added to the list and decoding goes on; without it the first one is a DamageError.
    """
    with _opened(path, "not_a_video") as (container, stream):
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        first: float | None = None
        last = 0.0
        reformatter = VideoReformatter()
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                decoded = []
                _note_damage(damage, last)
            for frame in decoded:
                if frame.width * frame.height > LARGEST_FRAME_PIXELS:
                    raise DamageError("video_too_large", f"frames of {frame.width} x {frame.height} pixels")
                last = float(frame.time) if frame.time is not None else last
                first = last if first is None else first
                if frame.is_corrupt:
                    _note_damage(damage, last)
                yield last - first, reformatter.reformat(frame, width=width or None, height=height or None, format=pixel_format).to_ndarray()


def _note_damage(damage: list[float] | None, time: float) -> None:
    if damage is None:
        raise DamageError("video_damaged", f"the pictures are damaged at {time:.2f} s")
    damage.append(time)


def sample(
    source: Path | BinaryIO,
    count: int,
    short_side: int,
    start_s: float | None = None,
    end_s: float | None = None,
    reader: Literal["pyav", "decord"] = "pyav",
    strict: bool = True,
    clip: tuple[float, float] | None = None,
) -> np.ndarray:
    """``count`` frames ``uint8 [count, H, W, 3]``, evenly spaced over the span [start_s, end_s), the middle of each stretch.

        span   |----.----|----.----|----.----|----.----|      count = 4
                    ^         ^         ^         ^

    A clip shorter than ``count`` frames repeats its frames. Times are counted from the first frame. ``strict`` refuses a clip with a damaged frame
    on the way; without it that frame is shown as the decoder mends it. ``clip``, in place of a span: so many seconds, at a place in [0, 1) among all
    that fit.
    """
    if reader == "decord":
        return _sample_decord(source, count, short_side, start_s, end_s)
    with _opened(source) as (container, stream):
        stamps, pictures = _stamps(container, stream)
        unit = float(stream.time_base or 0)
    begin, end = start_s or 0.0, float("inf") if end_s is None else end_s
    first = stamps[0] if stamps else 0
    if clip is not None and stamps:
        begin = _clip_begin([(stamp - first) * unit for stamp in stamps], *clip)
        end = begin + clip[0]
    inside = [stamp for stamp in stamps if begin <= (stamp - first) * unit + 1e-6 and (stamp - first) * unit + 1e-6 < end]
    if not inside:
        raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no frame")
    wanted = [inside[place] for place in _middles(len(inside), count)]
    if pictures is not None:
        found = {stamp: decode_image(pictures[stamp], short_side) for stamp in set(wanted)}
    else:
        found = _decode_stamps(source, set(wanted), stamps.index(wanted[0]) >= _WORTH_SEEKING, short_side, strict)
    if not found:
        raise DamageError("video_damaged", "none of the wanted frames could be decoded")
    # A frame that never came (a damaged index) is stood in for by the one before it.
    have = sorted(found)
    return np.stack([found[max((stamp for stamp in have if stamp <= place), default=have[0])] for place in wanted])


@contextmanager
def _opened(source: Path | BinaryIO, rule: str = "video_damaged") -> Iterator[tuple[Any, Any]]:
    if not isinstance(source, Path):
        source.seek(0)
    try:
        with av.open(source if not isinstance(source, Path) else str(source), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise DamageError("no_video_stream", "the file has no pictures")
            stream = container.streams.video[0]
            if stream.codec_context.width * stream.codec_context.height > LARGEST_FRAME_PIXELS:
                raise DamageError("video_too_large", f"frames of {stream.codec_context.width} x {stream.codec_context.height} pixels")
            stream.thread_count = 1
            yield container, stream
    except av.error.FFmpegError as error:
        raise DamageError(rule, f"the pictures cannot be decoded: {error.strerror}") from None


def _stamps(container: Any, stream: Any) -> tuple[list[int], dict[int, bytes] | None]:
    """Time stamps of all frames in order of showing, read without decoding; for Motion JPEG the pictures too."""
    stamps: list[int] = []
    pictures: dict[int, bytes] | None = {} if stream.codec_context.name == "mjpeg" else None
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None:
            stamps.append(packet.pts)
            if pictures is not None:
                pictures[packet.pts] = bytes(packet)
    return sorted(stamps), pictures


def _decode_stamps(source: Path | BinaryIO, wanted: set[int], seek: bool, short_side: int, strict: bool) -> dict[int, np.ndarray]:
    """The frames with these time stamps, scaled; decoding stops after the last of them."""
    found: dict[int, np.ndarray] = {}
    reformatter = VideoReformatter()
    left = sorted(wanted)
    before: Any = None
    with _opened(source) as (container, stream):
        if seek:
            container.seek(left[0], stream=stream, backward=True, any_frame=False)
        for frame in container.decode(stream):
            if strict and frame.is_corrupt:
                raise DamageError("video_damaged", f"the frame at {float(frame.time or 0):.2f} s is damaged")
            stamp = frame.pts if frame.pts is not None else left[-1]
            if seek and before is None and stamp > left[0]:
                break  # some containers (MPEG-PS) seek too far
            while left and left[0] <= stamp:
                chosen = frame if left[0] == stamp or before is None else before
                width, height = _scaled(chosen.width, chosen.height, short_side)
                found[left.pop(0)] = reformatter.reformat(chosen, width=width, height=height, format="rgb24").to_ndarray()
            before = frame
            if not left:
                return found
    return _decode_stamps(source, wanted, False, short_side, strict) if seek else found


def _clip_begin(times: list[float], seconds: float, place: float) -> float:
    """When a clip of so many seconds begins: with one of the frames that leave room for it, which is chosen by ``place``."""
    frame = times[-1] / (len(times) - 1) if len(times) > 1 else 0.0
    fits = sum(time + seconds <= times[-1] + frame + 1e-6 for time in times)
    return times[int(place * fits)]


def _middles(length: int, count: int) -> list[int]:
    return [min(length - 1, int((2 * step + 1) * length / (2 * count))) for step in range(count)]


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    short = min(width, height)
    if not short or short <= short_side:
        return width, height
    return max(2, round(width * short_side / short)), max(2, round(height * short_side / short))


def _sample_decord(path: Path | BinaryIO, count: int, short_side: int, start_s: float | None, end_s: float | None) -> np.ndarray:
    import decord

    if not isinstance(path, Path):
        raise TypeError("decord reads files alone")
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


def encode_mjpeg(images: np.ndarray, fps: float, quality: int = 90) -> bytes:
    """Frames ``uint8 [T, H, W, 3]`` as an mp4 of JPEG pictures (Motion JPEG): any frame is one seek and one decode of an image."""
    buffer = io.BytesIO()
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mjpeg", rate=rate)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuvj420p"
        stream.time_base = 1 / rate
        for number, image in enumerate(images):
            packet = av.Packet(encode_image(image, quality))
            packet.stream = stream
            packet.time_base = 1 / rate
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = True
            container.mux(packet)
    return buffer.getvalue()
