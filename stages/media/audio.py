"""Sound: reading spans of it as float samples, resampling, and noticing what a decoder conceals.

libsndfile reads wav, flac, ogg and mp3; everything else, and the sound inside a video, goes through FFmpeg (PyAV). Samples are
float32 in [-1, 1], times are seconds from the start of the medium.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from ...schemas.errors import DamageError

LONGEST_SECONDS = 6 * 3600.0


class Sound:
    """Samples ``[T, C]`` (float32) with their rate in hertz."""

    __slots__ = ("rate_hz", "samples")

    def __init__(self, samples: np.ndarray, rate_hz: int) -> None:
        self.samples = samples
        self.rate_hz = rate_hz

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    def mono(self, rate_hz: int | None = None) -> np.ndarray:
        """The mean of the channels, ``[T]``, resampled to ``rate_hz`` (soxr, high quality) where that differs."""
        samples = self.samples.mean(axis=1, dtype=np.float32) if self.samples.shape[1] > 1 else self.samples[:, 0]
        if rate_hz and rate_hz != self.rate_hz:
            samples = soxr.resample(samples, self.rate_hz, rate_hz, quality="HQ")
        return np.ascontiguousarray(samples, dtype=np.float32)


def decode(path: Path, start_s: float | None = None, end_s: float | None = None) -> Sound:
    """The sound of a file, or of its span [start_s, end_s); DamageError where it is not whole."""
    try:
        handle = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        return decode_ffmpeg(path, error.error_string, start_s, end_s)
    with handle:
        check_wav(path)
        rate = handle.samplerate
        if handle.frames <= 0:
            raise DamageError("audio_empty", "the file holds no samples")
        if handle.frames / rate > LONGEST_SECONDS and end_s is None:
            raise DamageError("audio_too_long", f"{handle.frames / rate:,.0f} s; at most {LONGEST_SECONDS:,.0f} s are read at once")
        first = 0 if start_s is None else max(0, round(start_s * rate))
        last = handle.frames if end_s is None else min(handle.frames, round(end_s * rate))
        if last <= first:
            raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no sound of {handle.frames / rate:.2f} s")
        try:
            handle.seek(first)
            samples = handle.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DamageError("audio_damaged", f"the sound does not decode to its end: {error.error_string}") from None
        if len(samples) < (last - first) * 0.98 - rate * 0.1:
            raise DamageError("audio_truncated", f"the header claims {last - first:,} samples, {len(samples):,} are there")
        if not np.isfinite(samples).all():
            raise DamageError("audio_not_finite", "some samples are no finite numbers")
        return Sound(samples, rate)


def check_wav(path: Path) -> None:
    """DamageError where a RIFF file ends before the data chunk that its header claims (decoders keep silent about it)."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return
        end = file.seek(0, io.SEEK_END)
        place = 12
        while place + 8 <= end:
            file.seek(place)
            chunk = file.read(8)
            length = int.from_bytes(chunk[4:8], "little")
            if chunk[:4] == b"data":
                if length not in (0, 0xFFFFFFFF) and place + 8 + length > end:
                    raise DamageError("audio_truncated", f"the header claims {length:,} bytes of sound, {end - place - 8:,} are there")
                return
            place += 8 + length + (length & 1)
    raise DamageError("audio_truncated", "the wav file has no data chunk")


def decode_ffmpeg(source: Path | BinaryIO, first_error: str, start_s: float | None = None, end_s: float | None = None) -> Sound:
    """The same by FFmpeg, for what libsndfile refused with ``first_error``: m4a, aac, wma, the sound of a video."""
    import av

    pieces: list[np.ndarray] = []
    rate, known = 0, False
    begin: float | None = None
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise DamageError("no_audio_stream", "the file has no sound")
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            known = bool(stream.codec_context.sample_rate)
            total = 0
            for frame in container.decode(stream):
                rate = frame.sample_rate
                if begin is None:
                    begin = float(frame.time or 0.0)
                array = frame.to_ndarray()
                array = array.T if frame.format.is_planar else array.reshape(-1, len(frame.layout.channels))
                pieces.append(_to_float(array))
                total += len(array)
                if total / rate > LONGEST_SECONDS:
                    raise DamageError("audio_too_long", f"more than {LONGEST_SECONDS:,.0f} s")
                if end_s is not None and begin + total / rate >= end_s:
                    break
    except av.error.FFmpegError as error:
        raise DamageError("not_audio" if not pieces else "audio_damaged", f"the sound cannot be decoded: {error.strerror} ({first_error})") from None
    if not pieces:
        if not known:
            raise DamageError("not_audio", f"the file cannot be read as sound ({first_error})")
        raise DamageError("audio_empty", "the file holds no samples")
    samples = np.concatenate(pieces)
    offset = begin or 0.0
    first = 0 if start_s is None else max(0, round((start_s - offset) * rate))
    last = len(samples) if end_s is None else min(len(samples), round((end_s - offset) * rate))
    if last <= first:
        raise DamageError("span_empty", f"the span [{start_s}, {end_s}) s holds no sound")
    return Sound(samples[first:last], rate)


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
