"""Video: what a file holds, frames by the time at which they are shown, and noticing damage that a
decoder conceals.

PyAV (FFmpeg) reads, one thread a file; decord may decode the pictures in its place. Times are
seconds on the container's clock (see :mod:`.container`). Frames are turned and stretched as players
show them: by the display matrix that phones write, and to square pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av import VideoFrame, VideoStream
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from ...schemas.errors import DamageError
from ...schemas.recipe import VideoReader
from .container import (
    claimed_seconds,
    films,
    in_seconds,
    opened,
    pictures_of,
    pixel_aspect,
    quarter_turns,
    sound_of,
    zero_of,
)
from .image import decode as decode_image
from .image import encode_jpeg as encode_image
from .refusing import refusing

LARGEST_FRAME_PIXELS = 8192 * 8192
_WORTH_SEEKING = 100
_CLOSE_S = 1e-6
_UNITS = 90_000  # of a second, in which stored frames are timed


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a container says of itself; ``frames`` and ``duration_s`` are claims, not counts. Zero
    where it does not say.

    width, height: as shown. streams: how many streams of pictures there are. turns: how often the
        stored frames are turned counter-clockwise by 90 degrees to be shown.
    """

    width: int
    height: int
    fps: float
    frames: int
    duration_s: float
    streams: int
    turns: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """Frames ``uint8 [count, H, W, 3]``, when each of them is shown ``[count]`` in seconds from the
    begin of their stretch, and its length in seconds.

    distinct: how many of them are different frames of the film.
    """

    frames: np.ndarray
    times_s: np.ndarray
    seconds: float
    distinct: int


@refusing("video_header", "the film cannot be opened")
def probe(source: Path | BinaryIO) -> VideoFacts:
    """The facts in the container's header, and of its first frame how it is turned; DamageError for
    what is not a video.
    """
    with _pictures(source, "not_a_video") as (container, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        count, seconds, streams = stream.frames, claimed_seconds(container), len(films(container))
        first = None
        try:
            first = next(container.decode(stream), None)
        except av.error.FFmpegError:
            first = None  # what is wrong with it is for measuring to say
        turns = 0
        if first is not None:
            width, height = _shown_size(first, stream)
            turns = quarter_turns(first)
        return VideoFacts(width, height, rate, count, seconds, streams, turns)


def frames(
    source: Path | BinaryIO,
    width: int = 0,
    height: int = 0,
    pixel_format: str = "rgb24",
    damage: list[float] | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """All frames as they are stored with the time at which they are shown, scaled if a size is
    given.

    Damage that decoders usually conceal is found by asking FFmpeg to give up on it: with ``damage``
    the time of each packet or frame that is damaged is added to the list and decoding goes on;
    without it the first one is a DamageError.
    """
    with _pictures(source, "not_a_video") as (container, stream):
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        zero = zero_of(container)
        last = zero
        reformatter = VideoReformatter()
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                decoded = []
                _note_damage(damage, last - zero)
            for frame in decoded:
                if frame.width * frame.height > LARGEST_FRAME_PIXELS:
                    raise DamageError(
                        "video_too_large", f"frames of {frame.width} x {frame.height} pixels"
                    )
                last = float(frame.time) if frame.time is not None else last
                if frame.is_corrupt:
                    _note_damage(damage, last - zero)
                yield (
                    last - zero,
                    reformatter.reformat(
                        frame, width=width or None, height=height or None, format=pixel_format
                    ).to_ndarray(),
                )


def end_of_all(path: Path) -> float:
    """When the last packet of picture or sound ends, on the container's clock; nothing is
    decoded.
    """
    with _pictures(path, "not_a_video") as (container, _):
        zero, end = zero_of(container), 0.0
        for packet in container.demux([*films(container), *container.streams.audio]):
            if packet.pts is not None:
                ends = in_seconds(packet.pts + (packet.duration or 0), packet.time_base)
                end = max(end, ends - zero)
        return end


def sound_gaps(path: Path) -> tuple[float, float] | None:
    """By how much its sound begins after its pictures, and ends before the container does (seconds,
    negative: the other way); None without sound.
    """
    with _pictures(path, "not_a_video") as (container, stream):
        try:
            sound = sound_of(container)
        except DamageError:
            return None
        if sound.start_time is None or stream.start_time is None:
            return (0.0, 0.0)
        begins = in_seconds(stream.start_time, stream.time_base)
        start = in_seconds(sound.start_time, sound.time_base) - begins
        if not stream.duration or not sound.duration:
            return (start, 0.0)
        ends = in_seconds(stream.start_time + stream.duration, stream.time_base)
        return (
            start,
            ends - in_seconds(sound.start_time + sound.duration, sound.time_base),
        )


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
    strict: bool = True,
    clip: tuple[float, float] | None = None,
    reader: VideoReader = "pyav",
) -> np.ndarray:
    """``count`` frames ``uint8 [count, H, W, 3]``; see :func:`sampled`."""
    return sampled(source, count, short_side, start_s, end_s, strict, clip, reader).frames


@refusing("video_damaged", "the pictures cannot be decoded")
def sampled(
    source: Path | BinaryIO,
    count: int,
    short_side: int,
    start_s: float | None = None,
    end_s: float | None = None,
    strict: bool = True,
    clip: tuple[float, float] | None = None,
    reader: VideoReader = "pyav",
) -> Sampled:
    """``count`` frames, evenly spaced in time over the span [start_s, end_s): what is shown in the
    middle of each stretch.

        span   |----.----|----.----|----.----|----.----|      count = 4
                    ^         ^         ^         ^

    A frame is shown until the next one comes, however long that takes; so a clip of few frames
    repeats them. Of the span counts what has pictures. ``strict`` refuses a clip with a damaged
    frame on the way; without it that frame is shown as the decoder mends it. ``clip``, in place of
    a span: so many seconds, at a place in [0, 1) among all that fit. ``reader``: who decodes; which
    frames they are is decided from the packets' times for either.
    """
    with _pictures(source) as (container, stream):
        film = _film(container, stream)
    begin, end = (
        film.times[0] if start_s is None else start_s,
        film.end if end_s is None else min(end_s, film.end),
    )
    if clip is not None:
        begin = _clip_begin(film.times, film.end, *clip)
        end = min(begin + clip[0], film.end)
    first = max(begin, film.times[0])
    if not first < end:
        raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no frame")
    moments = first + (np.arange(count) + 0.5) * (end - first) / count
    # a moment on the edge of two frames means the later one, however it was rounded
    places = np.maximum(
        0, np.searchsorted(film.times, moments + _CLOSE_S, side="right") - 1
    ).tolist()
    if (
        film.pictures is not None
        and count == len(film.times)
        and start_s is None
        and end_s is None
        and clip is None
    ):
        # a stored clip, of which just as many frames were chosen before
        places = list(range(count))
    if film.pictures is not None:
        pictures = {place: decode_image(film.pictures[place], short_side) for place in set(places)}
    elif reader == "decord":
        pictures = _decord_places(source, film, sorted(set(places)), short_side)
    else:
        pictures = _decode_places(source, film, sorted(set(places)), short_side, strict)
    if not pictures:
        raise DamageError("video_damaged", "none of the wanted frames could be decoded")
    # A frame that never came (a damaged index) is stood in for by the one before it.
    have = sorted(pictures)
    chosen = [
        pictures[max((other for other in have if other <= place), default=have[0])]
        for place in places
    ]
    since = 0.0 if start_s is None and clip is None else begin
    return Sampled(
        np.stack(chosen),
        _shown_at(film.times, places, moments) - since,
        end - since,
        len(set(places)),
    )


def _shown_at(times: Sequence[float], places: list[int], moments: np.ndarray) -> np.ndarray:
    """When each chosen frame comes on; a frame that is chosen again is there already, and has the
    moment for which it was chosen.
    """
    again = [
        position > 0 and place == places[position - 1] for position, place in enumerate(places)
    ]
    return np.array(
        [
            moment if repeated else times[place]
            for place, moment, repeated in zip(places, moments, again, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class _Film:
    """The frames that are shown, in order: their time stamps, their times on the container's clock,
    and when the last one ends.

    stamps: None where the packets have none; frames are then counted. pictures: the frames
        themselves, where each is a JPEG.
    """

    stamps: list[int] | None
    times: list[float]
    end: float
    pictures: list[bytes] | None


@contextmanager
def _pictures(
    source: Path | BinaryIO, rule: str = "video_damaged"
) -> Iterator[tuple[InputContainer, VideoStream]]:
    with opened(
        source,
        rule,
        "the pictures cannot be decoded"
        if rule == "video_damaged"
        else "the file cannot be opened as video",
    ) as container:
        stream = pictures_of(container)
        if stream.codec_context.width * stream.codec_context.height > LARGEST_FRAME_PIXELS:
            raise DamageError(
                "video_too_large",
                f"frames of {stream.codec_context.width} x {stream.codec_context.height} pixels",
            )
        stream.thread_count = 1
        yield container, stream


def _film(container: InputContainer, stream: VideoStream) -> _Film:
    """What its packets tell without being decoded; those that an edit list hides are not shown."""
    unit, zero = float(stream.time_base or 0), zero_of(container)
    # each of its pictures is a whole JPEG, and needs neither seeking nor a decoder of films
    keep = stream.codec_context.name == "mjpeg"
    packets: list[tuple[int, int, bytes]] = []
    bare = 0
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and not packet.is_discard:
            packets.append((packet.pts, packet.duration or 0, bytes(packet) if keep else b""))
        elif packet.size and packet.pts is None:
            bare += 1
    if not packets and bare:
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        return _Film(None, [place / rate for place in range(bare)], bare / rate, None)
    if not packets:
        raise DamageError("video_empty", "the film holds no frame")
    # packets come as they are decoded, which is not the order in which they are shown
    packets.sort(key=lambda entry: entry[0])
    times = [stamp * unit - zero for stamp, _, _ in packets]
    usual = (
        float(np.median(np.diff(times)))
        if len(times) > 1
        else 1 / float(stream.average_rate or stream.guessed_rate or 25)
    )
    return _Film(
        [stamp for stamp, _, _ in packets],
        times,
        times[-1] + (packets[-1][1] * unit or usual),
        [data for _, _, data in packets] if keep else None,
    )


def _decode_places(
    source: Path | BinaryIO,
    film: _Film,
    wanted: list[int],
    short_side: int,
    strict: bool,
    seek: bool = True,
) -> dict[int, np.ndarray]:
    """The frames at these places of the film, as they are shown and scaled; decoding stops after
    the last of them.
    """
    pictures: dict[int, np.ndarray] = {}
    seek = seek and film.stamps is not None and wanted[0] >= _WORTH_SEEKING
    stamps = [place if film.stamps is None else film.stamps[place] for place in wanted]
    left = list(zip(stamps, wanted, strict=True))
    before: VideoFrame | None = None
    with _pictures(source) as (container, stream):
        shown = _Shown(stream, short_side)
        if seek:
            container.seek(stamps[0], stream=stream, backward=True, any_frame=False)
        for number, frame in enumerate(_decoded(container, stream, strict)):
            if strict and frame.is_corrupt:
                raise DamageError(
                    "video_damaged", f"the frame at {float(frame.time or 0):.2f} s is damaged"
                )
            stamp = (
                number
                if film.stamps is None
                else frame.pts
                if frame.pts is not None
                else left[-1][0]
            )
            if seek and before is None and stamp > stamps[0]:
                break  # some containers (MPEG-PS) seek too far
            while left and left[0][0] <= stamp:
                exact, place = left.pop(0)
                # where the wanted frame never came, the one before it was still on the screen
                pictures[place] = shown.pixels(
                    frame if exact == stamp or before is None else before
                )
            before = frame
            if not left:
                return pictures
    return (
        _decode_places(source, film, wanted, short_side, strict, seek=False) if seek else pictures
    )


def _decoded(container: InputContainer, stream: VideoStream, strict: bool) -> Iterator[VideoFrame]:
    """The frames; with damaged packets left out unless ``strict``, as measuring leaves them out."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            if strict:
                raise


class _Shown:
    """Turns, stretches and scales frames as they are shown, all to the size of the first one."""

    def __init__(self, stream: VideoStream, short_side: int) -> None:
        self._stream, self._short_side = stream, short_side
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def pixels(self, frame: VideoFrame) -> np.ndarray:
        """RGB ``uint8 [H, W, 3]``."""
        turns = quarter_turns(frame)
        if self._size is None:
            self._size = _scaled(*_shown_size(frame, self._stream), self._short_side)
        # scaled before it is turned: there is less to turn
        width, height = self._size[::-1] if turns % 2 else self._size
        pixels = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24"
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height of a frame as players show it."""
    width, height = max(1, round(frame.width * pixel_aspect(stream))), frame.height
    return (height, width) if quarter_turns(frame) % 2 else (width, height)


def _clip_begin(times: Sequence[float], end: float, seconds: float, place: float) -> float:
    """When a clip of so many seconds begins: with one of the frames that leave room for it, which
    is chosen by ``place``.
    """
    fits = sum(time + seconds <= end + _CLOSE_S for time in times)
    return times[int(place * fits)]


def _scaled(width: int, height: int, short_side: int) -> tuple[int, int]:
    short = min(width, height)
    if not short or short <= short_side:
        return width, height
    return max(2, round(width * short_side / short)), max(2, round(height * short_side / short))


def _decord_places(
    source: Path | BinaryIO, film: _Film, wanted: list[int], short_side: int
) -> dict[int, np.ndarray]:
    """The frames at these places of the film, by decord, which turns them as they are shown. It
    does not tell a damaged frame, and knows no edit list: another number of frames is refused.
    """
    import decord

    with _pictures(source) as (container, stream):
        if container.format.name == "mpeg":
            raise DamageError(
                "video_frames_differ",
                "decord gives other frames than asked in MPEG program streams; video_reader: pyav"
                " reads them",
            )
        if sum(other.type == "video" for other in container.streams) > 1:
            raise DamageError(
                "video_streams",
                "decord does not say which of several streams of pictures it takes; video_reader:"
                " pyav takes the largest",
            )
        first = next(_decoded(container, stream, strict=False), None)
        if first is None:
            raise DamageError("video_damaged", "none of the frames could be decoded")
        width, height = _scaled(*_shown_size(first, stream), short_side)
    if not isinstance(source, Path):
        # PyAV has read in it
        source.seek(0)
    try:
        reader = decord.VideoReader(
            str(source) if isinstance(source, Path) else source,
            width=width,
            height=height,
            num_threads=1,
        )
        if len(reader) != len(film.times):
            raise DamageError(
                "video_frames_differ",
                f"decord finds {len(reader):,} frames and the film shows {len(film.times):,};"
                " video_reader: pyav reads it",
            )
        frames = reader.get_batch(wanted).asnumpy()
    except decord.DECORDError as error:
        raise DamageError(
            "video_damaged", f"decord cannot read the pictures: {str(error).splitlines()[0]}"
        ) from None
    return dict(zip(wanted, frames, strict=True))


def encode_mjpeg(
    images: np.ndarray, times_s: Sequence[float] | np.ndarray, seconds: float, quality: int = 90
) -> bytes:
    """Frames ``uint8 [T, H, W, 3]`` as an mp4 of JPEG pictures (Motion JPEG), each with the time at
    which it is shown; the whole is ``seconds`` long.

    object frame is one seek and one decode of an image.
    """
    buffer = io.BytesIO()
    unit = Fraction(1, _UNITS)
    begins = [max(0, round(float(time) * _UNITS)) for time in times_s]
    for number in range(1, len(begins)):
        # a container takes no two frames of one time
        begins[number] = max(begins[number], begins[number - 1] + 1)
    ends = [*begins[1:], max(begins[-1] + 1, round(seconds * _UNITS))]
    # bitexact: no version of the writer in the file, so that the same frames make the same bytes
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "mjpeg", rate=Fraction(max(1, round(len(images) / max(seconds, 1e-3))))
        )
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuvj420p"
        stream.time_base = unit
        for image, begin, end in zip(images, begins, ends, strict=True):
            packet = av.Packet(encode_image(image, quality))
            packet.stream = stream
            packet.time_base = unit
            packet.pts = packet.dts = begin
            packet.duration = end - begin
            packet.is_keyframe = True
            container.mux(packet)
    return buffer.getvalue()
