"""Sound: reading spans of it as float samples, resampling, and noticing what a decoder conceals.

libsndfile reads wav, flac, ogg, mp3 and their kin; everything else, and the sound inside a video,
goes through FFmpeg (PyAV). Samples are float32 in [-1, 1], times are seconds on the clock of the
file (see :mod:`.container`): a film's sound that begins late begins with silence.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from av import AudioFrame

from ...schemas.errors import DamageError
from ...schemas.record import Step
from .container import opened, sound_of, zero_of
from .refusing import refusing
from .sound_files import Doubt, check_sound, mp3_frames_alone

LONGEST_SECONDS = 6 * 3600.0
_GAP_S = 0.1  # a jump of the time stamps by less is jitter of the container


class Sound:
    """Samples ``[T, C]`` (float32) with their rate in hertz.

    late_s: seconds of silence at the begin, before the stream of sound of a film sets in. streams:
        how many streams of sound the file has.
    """

    __slots__ = ("late_s", "rate_hz", "samples", "streams")

    def __init__(
        self, samples: np.ndarray, rate_hz: int, late_s: float = 0.0, streams: int = 1
    ) -> None:
        self.samples = samples
        self.rate_hz = rate_hz
        self.late_s = late_s
        self.streams = streams

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    def mono(self, rate_hz: int | None = None) -> np.ndarray:
        """The mean of the channels, ``[T]``, resampled to ``rate_hz`` (soxr, high quality) where
        that differs.
        """
        samples = (
            self.samples.mean(axis=1, dtype=np.float32)
            if self.samples.shape[1] > 1
            else self.samples[:, 0]
        )
        if rate_hz and rate_hz != self.rate_hz:
            samples = soxr.resample(samples, self.rate_hz, rate_hz, quality="HQ")
        return np.ascontiguousarray(samples, dtype=np.float32)

    def read_by(self, steps: Iterable[Step]) -> Sound:
        """The sound as those of the steps want it that say how it is read: ``mono`` and
        ``resample``.
        """
        samples, rate_hz = self.samples, self.rate_hz
        for step in steps:
            if step.op == "mono" and samples.shape[1] > 1:
                take = step.options["take"]
                samples = (
                    samples.mean(axis=1, dtype=np.float32)[:, None]
                    if take == "mean"
                    else samples[:, :1]
                    if take == "left"
                    else samples[:, 1:2]
                )
            elif step.op == "resample" and step.options["rate_hz"] != rate_hz:
                wanted = int(str(step.options["rate_hz"]))
                samples = soxr.resample(samples, rate_hz, wanted, quality="HQ")
                rate_hz = wanted
        return Sound(samples, rate_hz, self.late_s, self.streams)


@refusing("audio_damaged", "the sound cannot be decoded")
def decode(path: Path, start_s: float | None = None, end_s: float | None = None) -> Sound:
    """The sound of a file, or of its span [start_s, end_s); DamageError where it is not whole."""
    doubt = check_sound(path)
    try:
        handle = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        return decode_ffmpeg(path, error.error_string, start_s, end_s)
    with handle:
        rate = handle.samplerate
        if handle.frames == 0 and doubt is Doubt.NOTHING and handle.format.startswith("WAV"):
            raise DamageError("audio_empty", "the file holds no samples")
        # libsndfile gives the largest number there is for a length that it does not know
        if doubt is Doubt.LENGTH or not 0 < handle.frames < 1 << 62:
            return _by_frames(path, handle.format == "MP3", start_s, end_s)
        if handle.frames / rate > LONGEST_SECONDS and end_s is None:
            raise DamageError(
                "audio_too_long",
                f"{handle.frames / rate:,.0f} s; at most {LONGEST_SECONDS:,.0f} s are read at once",
            )
        first = 0 if start_s is None else max(0, round(start_s * rate))
        last = handle.frames if end_s is None else min(handle.frames, round(end_s * rate))
        if last <= first:
            raise DamageError(
                "span_empty",
                f"the span [{start_s}, {end_s}) s holds no sound of {handle.frames / rate:.2f} s",
            )
        try:
            if first and handle.seekable():
                handle.seek(first)
            elif first:  # GSM
                handle.read(first, dtype="float32")
            samples = handle.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DamageError(
                "audio_damaged", f"the sound does not decode to its end: {error.error_string}"
            ) from None
        # the length of compressed sound is an estimate
        if len(samples) < (last - first) * 0.98 - rate * 0.1:
            raise DamageError(
                "audio_truncated",
                f"the header claims {last - first:,} samples, {len(samples):,} are there",
            )
        return _finite(Sound(samples, rate))


def decode_bytes(data: bytes) -> Sound:
    """The sound of a file in memory; DamageError where it is not whole."""
    # the checks of formats map a file
    with tempfile.NamedTemporaryFile(prefix="modalmill-") as file:
        file.write(data)
        file.flush()
        return decode(Path(file.name))


def _by_frames(path: Path, is_mp3: bool, start_s: float | None, end_s: float | None) -> Sound:
    """The sound of a file whose header does not say, or says wrongly, how long it is."""
    source: Path | BinaryIO = io.BytesIO(mp3_frames_alone(path)) if is_mp3 else path
    return decode_ffmpeg(source, "its header does not say how long it is", start_s, end_s)


@refusing("audio_damaged", "the sound cannot be decoded")
def decode_ffmpeg(
    source: Path | BinaryIO,
    first_error: str,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Sound:
    """The same by FFmpeg, for what libsndfile refused with ``first_error``: m4a, aac, wma, the
    sound of a video.
    """
    track = _Track(end_s)
    try:
        with opened(source, "not_audio", "the sound cannot be decoded") as container:
            stream = sound_of(container)
            stream.codec_context.thread_count = 1
            has_rate, streams, zero = (
                bool(stream.codec_context.sample_rate),
                len(container.streams.audio),
                zero_of(container),
            )
            for frame in container.decode(stream):
                if not track.add(frame, zero):
                    break
    except DamageError as error:
        if error.rule != "not_audio":
            raise
        raise DamageError(
            "audio_damaged" if track.pieces else "not_audio", f"{error.message} ({first_error})"
        ) from None
    if not track.pieces:
        if not has_rate:
            raise DamageError("not_audio", f"the file cannot be read as sound ({first_error})")
        raise DamageError("audio_empty", "the file holds no samples")
    samples, rate = np.concatenate(track.pieces), track.rate_hz
    if not len(samples):
        raise DamageError("audio_empty", "the file holds no samples")
    first = 0 if start_s is None else max(0, round(start_s * rate))
    last = len(samples) if end_s is None else min(len(samples), round(end_s * rate))
    # the silence put before a stream is not of it
    if last <= max(first, track.late):
        raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no sound")
    return _finite(Sound(samples[first:last], rate, max(0, track.late - first) / rate, streams))


class _Track:
    """Puts the frames of a stream where their times say: silence where there is a gap, nothing of
    what lies before zero.
    """

    def __init__(self, end_s: float | None) -> None:
        self._end_s = end_s
        self.pieces: list[np.ndarray] = []
        self.rate_hz = 0
        self.late = 0
        self._length = 0
        self._channels = 0

    def add(self, frame: AudioFrame, zero: float) -> bool:
        """Put the next frame to the others; whether more are wanted."""
        array = frame.to_ndarray()
        samples = _to_float(
            array.T if frame.format.is_planar else array.reshape(-1, len(frame.layout.channels))
        )
        if not self.pieces:
            self.rate_hz, self._channels = frame.sample_rate, samples.shape[1]
        if (frame.sample_rate, samples.shape[1]) != (self.rate_hz, self._channels):
            raise DamageError(
                "audio_changes",
                f"the sound changes to {frame.sample_rate} Hz and {samples.shape[1]} channels on"
                " its way",
            )
        place = (
            self._length if frame.time is None else round((float(frame.time) - zero) * self.rate_hz)
        )
        if not self.pieces and place < 0:
            samples, place = samples[-place:], 0
            if not len(samples):  # it ends before the clock begins
                return True
        gap = place - self._length
        if gap > _GAP_S * self.rate_hz or (not self.pieces and gap > 0):
            if not self.pieces:
                self.late = gap
            # no more than it takes to be refused: a broken time stamp must not cost the memory
            self._put(
                np.zeros(
                    (min(gap, round(LONGEST_SECONDS * self.rate_hz) + 1), self._channels),
                    np.float32,
                )
            )
        self._put(samples)
        return self._end_s is None or self._length < self._end_s * self.rate_hz

    def _put(self, samples: np.ndarray) -> None:
        self.pieces.append(samples)
        self._length += len(samples)
        if self._length > LONGEST_SECONDS * self.rate_hz:
            raise DamageError("audio_too_long", f"more than {LONGEST_SECONDS:,.0f} s")


def _finite(sound: Sound) -> Sound:
    if not np.isfinite(sound.samples).all():
        raise DamageError("audio_not_finite", "some samples are no finite numbers")
    return sound


def _to_float(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / 128
    return array.astype(np.float32) / float(-int(np.iinfo(array.dtype).min))


def encode_flac(samples: np.ndarray, rate_hz: int) -> bytes:
    """Mono or multi-channel float samples as 16-bit FLAC."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
