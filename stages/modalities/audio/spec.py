"""A sound as a row of a batch: mono samples at one rate, cut or filled to one length."""

from __future__ import annotations

import dataclasses
import io
import math
from dataclasses import dataclass

import numpy as np

from ....schemas import checks
from ....schemas.errors import DamageError, InputError
from ....schemas.record import Part
from ...media import audio as sounds
from ...media.steps import apply_to_samples
from ...spec import MIDDLE, Draws, Records, Spec, TimeCrop, Transform, of_kind, seconds_of

_UNKNOWN_FORMAT = 1  # libsndfile's number for what it cannot read at all


@dataclass(frozen=True, kw_only=True)
class AudioSpec(Spec):
    """Mono sound as ``float32 [rate_hz * seconds]``, filled with zeros at the end; the batch's
    ``lengths`` tell how many samples are real.

    crop: which stretch of a longer sound: its ``start``, or a ``random`` one.
    """

    rate_hz: int = 16_000
    seconds: float = 5.0
    crop: TimeCrop = "start"
    transform: Transform | None = None

    modality = "audio"
    has_lengths = True
    makes_copies = True

    def __post_init__(self) -> None:
        checks.whole("AudioSpec: rate_hz", self.rate_hz, 1)
        if checks.above_zero("AudioSpec: seconds", self.seconds) * self.rate_hz < 1:
            raise InputError(f"AudioSpec: {self.seconds} s hold no sample at {self.rate_hz} Hz")
        checks.choice("AudioSpec: crop", self.crop, TimeCrop)
        checks.function("AudioSpec: transform", self.transform)

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (round(self.rate_hz * self.seconds),), "float32"

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``; the number of samples that are real."""
        mono = self._read(data, draws)
        if self.transform is not None:
            mono = of_kind(self.transform(mono, draws.generator()), "float", (None,))
        if self.crop == "random" and len(mono) > len(out):
            mono = mono[int(draws.uniform[0] * (len(mono) - len(out) + 1)) :]
        length = min(len(mono), len(out))
        out[:length] = mono[:length]
        out[length:] = 0
        return length

    def _read(self, data: bytes, draws: Draws) -> np.ndarray:
        """The stretch that is wanted, at the wanted rate; all of it for a transform, of a copy, and
        where only FFmpeg can read it.
        """
        sound = self._decode(data, draws)
        if not len(sound.samples):
            raise DamageError("audio_empty", "the sound has no samples")
        if draws.copy is not None:
            sound = _changed(sound, draws.copy)
        mono = sound.mono(self.rate_hz)
        # one number that is none makes the sum one
        if not math.isfinite(float(mono.sum())) and not np.isfinite(mono).all():
            raise DamageError("audio_not_finite", "some samples are no finite numbers")
        return mono

    def _decode(self, data: bytes, draws: Draws) -> sounds.Sound:
        import soundfile

        try:
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                frames = math.ceil(self.seconds * file.samplerate)
                if self.transform is not None or draws.copy is not None:
                    frames = file.frames
                elif self.crop == "random" and file.frames > frames:
                    file.seek(int(draws.uniform[0] * (file.frames - frames + 1)))
                samples = file.read(frames, dtype="float32", always_2d=True)
                return sounds.Sound(samples, file.samplerate)
        except soundfile.LibsndfileError as error:
            if error.code != _UNKNOWN_FORMAT:
                raise DamageError(
                    "audio_damaged", f"the stored sound cannot be decoded: {error}"
                ) from None
            return sounds.decode_ffmpeg(io.BytesIO(data), error.error_string)

    def lengths(self, records: Records, part: str) -> np.ndarray:
        """Seconds of every record's sound."""
        return seconds_of(records, part)

    def cut_to(self, length: float) -> AudioSpec:
        return dataclasses.replace(self, seconds=float(length))


def _changed(sound: sounds.Sound, copy: Part) -> sounds.Sound:
    """The span of a stored sound that a copy is cut to, after its steps."""
    rate_hz, last = sound.rate_hz, len(sound.samples) / sound.rate_hz
    begin, end = copy.start_s or 0.0, last if copy.end_s is None else copy.end_s
    span = sound.samples[round(begin * rate_hz) : round(end * rate_hz)]
    read = sounds.Sound(span, rate_hz).read_by(copy.steps)
    return sounds.Sound(apply_to_samples(read.samples, read.rate_hz, copy.steps), read.rate_hz)
