"""One clock for a container: where its time begins, which of its streams are taken, and how its
pictures are to be shown.

A container's streams need not begin together: a phone starts its microphone before its camera, an
edit list cuts a clip in the middle of a group of pictures, MPEG transport streams begin at 1.4 s or
at any other time. Time zero is where the first of its streams begins to be shown; pictures, sound,
cues and cuts all count from there, and what is missing before a stream begins is missing there and
nowhere else.

    stream time    1.0       1.4       2.0       3.0       4.0
    sound           |====================================|
    pictures                  |==========================|
    container's     0         0.4       1.0       2.0
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeVar

import av
from av import AudioStream, VideoFrame, VideoStream
from av.container import InputContainer
from av.stream import Disposition

from ...schemas.errors import DamageError
from .refusing import one_line

# pixels, or channels: FFmpeg's own weight of a stream that is marked as the default
_DEFAULT_IS_WORTH = 5_000_000
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_WIDEST_PIXEL = 8.0

AVStream = TypeVar("AVStream", VideoStream, AudioStream)


@contextmanager
def opened(source: Path | BinaryIO, rule: str, what: str) -> Iterator[InputContainer]:
    """The open container; whatever FFmpeg refuses is a DamageError with this rule."""
    if not isinstance(source, Path):
        source.seek(0)
    try:
        # a title in an odd encoding is no reason to refuse a film
        with av.open(
            str(source) if isinstance(source, Path) else source, "r", metadata_errors="ignore"
        ) as container:
            yield container
    except av.error.FFmpegError as error:
        raise DamageError(rule, f"{what}: {error.strerror}") from None
    except (IndexError, UnicodeDecodeError) as error:
        raise DamageError(rule, f"{what}: the container is damaged ({one_line(error)})") from None


def pictures_of(container: InputContainer) -> VideoStream:
    """The stream of pictures that FFmpeg would take, the largest; a cover is none. DamageError
    where there is none, or nothing here decodes it.
    """
    streams = films(container)
    if not streams:
        raise DamageError("no_video_stream", "the file has no moving pictures")
    return _decodable(
        max(
            streams,
            key=lambda stream: (
                _size(stream) + _DEFAULT_IS_WORTH * _is_default(stream),
                -stream.index,
            ),
        ),
        "pictures",
    )


def sound_of(container: InputContainer) -> AudioStream:
    """The stream of sound that FFmpeg would take, that of most channels, then of the highest rate;
    DamageError as for :func:`pictures_of`.
    """
    streams = list(container.streams.audio)
    if not streams:
        raise DamageError("no_audio_stream", "the file has no sound")
    return _decodable(max(streams, key=lambda stream: (*_loudness(stream), -stream.index)), "sound")


def films(container: InputContainer) -> list[VideoStream]:
    """Its streams of moving pictures."""
    return [stream for stream in container.streams.video if not stream.disposition & _NO_FILM]


def has_film(path: Path) -> bool:
    """Whether a file holds moving pictures; False too for one that cannot be opened."""
    try:
        with opened(path, "not_a_video", "cannot be opened") as container:
            return bool(films(container))
    except (DamageError, OSError):
        return False


def zero_of(container: InputContainer) -> float:
    """Where its own time begins, in seconds of its streams: at the earliest of them, and never
    before 0, where only what decoders need lies.

    Motion JPEG in mp4, which shards hold, keeps the mp4's own zero: the first picture of a stretch
    is not its beginning.
    """
    streams = [*films(container), *container.streams.audio]
    if "mp4" in container.format.name and [
        stream.codec_context and stream.codec_context.name for stream in streams
    ] == ["mjpeg"]:
        return 0.0
    starts = [
        in_seconds(stream.start_time, stream.time_base)
        for stream in streams
        if stream.start_time is not None
    ]
    return max(0.0, min(starts, default=0.0))


def in_seconds(ticks: int, unit: Fraction | None) -> float:
    """A time of a stream or a packet, which has a unit where it has times."""
    assert unit is not None
    return float(ticks * unit)


def claimed_seconds(container: InputContainer) -> float:
    """How long the container says it is, on its own clock; 0 where it does not say."""
    if container.duration is None:
        return 0.0
    ends_at = "matroska" in container.format.name  # whose length is the time of its end
    return max(0.0, float(container.duration) / 1e6 - (zero_of(container) if ends_at else 0.0))


def pixel_aspect(stream: VideoStream) -> float:
    """Width of a pixel over its height as it is shown."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    ratio = float(aspect) if aspect else 1.0
    return ratio if 1 / _WIDEST_PIXEL <= ratio <= _WIDEST_PIXEL else 1.0


def quarter_turns(frame: VideoFrame) -> int:
    """How often a picture is to be turned counter-clockwise by 90 degrees, 0 to 3."""
    return int(round(frame.rotation / 90) % 4)


def _size(stream: VideoStream) -> int:
    context = stream.codec_context
    return int(context.width * context.height) if context is not None else -1


def _loudness(stream: AudioStream) -> tuple[int, int]:
    context = stream.codec_context
    if context is None:
        return (-1, 0)
    return (
        int(context.channels or 0) + _DEFAULT_IS_WORTH * _is_default(stream),
        int(context.sample_rate or 0),
    )


def _is_default(stream: AVStream) -> bool:
    return bool(stream.disposition & Disposition.default)


def _decodable(stream: AVStream, what: str) -> AVStream:
    if stream.codec_context is None:
        raise DamageError("codec_unknown", f"nothing here decodes its {what}")
    return stream
