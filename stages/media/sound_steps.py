"""The steps that change a sound, each a function from samples to samples."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...schemas.errors import DamageError
from ...schemas.fingerprint import hash_file
from .loudness import k_weighted_power, loudness_lufs, true_peaks
from .sound_masks import without_bands, without_spans

if TYPE_CHECKING:
    from .audio import Sound

_SOFTER = "sounds softer than wanted, for their peaks would rise above peak_dbtp"
_DECAYS = 1.2  # how many reverberation times a made response lasts
_EDGE_PERIODS = 3.0
_FRAME_S, _LOUD_QUANTILE, _PAUSE_DB, _LEAST_POWER = 0.02, 0.95, 40.0, 1e-12


def _gain(samples: np.ndarray, rate_hz: int, db: float) -> np.ndarray:
    return np.asarray(np.clip(samples * np.float32(10 ** (db / 20)), -1.0, 1.0))


def _noise(samples: np.ndarray, rate_hz: int, snr_db: float, seed: int) -> np.ndarray:
    """With white noise, ``snr_db`` below the power of what moves; a constant offset is no sound. A
    sum beyond full scale is turned down as a whole, so that nothing clips and the ratio holds.
    """
    offset = samples.mean(axis=0, dtype=np.float64)
    power = float(np.mean(np.square(samples - offset))) or 1e-12
    noise: np.ndarray = np.random.Generator(np.random.Philox(key=seed)).standard_normal(
        samples.shape, dtype=np.float32
    )
    noisy = samples + noise * np.float32((power / 10 ** (snr_db / 10)) ** 0.5)
    return np.asarray(noisy / max(1.0, float(np.abs(noisy).max(initial=0.0))), np.float32)


class WithNote(NamedTuple):
    """A sound after a step, and what a person should know of it."""

    samples: np.ndarray
    note: str


def _loudness(
    samples: np.ndarray, rate_hz: int, lufs: float, peak_dbtp: float
) -> np.ndarray | WithNote:
    """At an integrated loudness (ITU-R BS.1770-4), or below it where its true peak would rise above
    ``peak_dbtp``: one gain for all of it.
    """
    channels = samples.reshape(len(samples), -1)
    now = loudness_lufs(k_weighted_power(channels, rate_hz))
    if math.isnan(now):
        raise DamageError(
            "sound_inaudible",
            "its loudness cannot be set: less than 0.4 s are left of it, or none above -70 LUFS",
        )
    peak = float(true_peaks(channels, rate_hz, _frame(rate_hz)).max())
    wanted_db, most_db = lufs - now, peak_dbtp - 20 * math.log10(peak)
    louder = np.asarray(samples * np.float32(10 ** (min(wanted_db, most_db) / 20)))
    return louder if wanted_db <= most_db else WithNote(louder, _SOFTER)


def _speed(
    samples: np.ndarray, rate_hz: int, factor: float, keep_pitch: bool = False
) -> np.ndarray:
    """So many times as fast: of the length ``T / factor``."""
    if keep_pitch:
        import librosa.effects  # late: it takes seconds

        return _by_channel(
            samples, lambda own: np.asarray(librosa.effects.time_stretch(own, rate=factor))
        )
    import soxr

    return np.asarray(soxr.resample(samples, rate_hz * factor, rate_hz, quality="HQ"))


def _pitch(samples: np.ndarray, rate_hz: int, semitones: float) -> np.ndarray:
    """Higher by so many semitones, of the same length."""
    import librosa.effects  # late: it takes seconds

    def raised(own: np.ndarray) -> np.ndarray:
        return np.asarray(librosa.effects.pitch_shift(own, sr=rate_hz, n_steps=semitones))

    return _by_channel(samples, raised)


def _filter(
    samples: np.ndarray,
    rate_hz: int,
    highpass_hz: float | None = None,
    lowpass_hz: float | None = None,
) -> np.ndarray:
    """Without what lies below and above these frequencies, by Butterworth filters of the second
    order that go over the sound in both directions: they shift nothing.
    """
    import scipy.signal  # late: it takes a second

    kinds = (("highpass", highpass_hz), ("lowpass", lowpass_hz))
    for kind, hertz in kinds:
        if hertz is None or (kind == "lowpass" and hertz >= rate_hz / 2):
            continue
        if hertz >= rate_hz / 2:  # all of it lies below
            return np.zeros_like(samples)
        sections = scipy.signal.butter(2, hertz, kind, fs=rate_hz, output="sos")
        edge = min(len(samples) - 1, round(_EDGE_PERIODS * rate_hz / hertz))
        samples = scipy.signal.sosfiltfilt(sections, samples, axis=0, padlen=edge)
    return np.asarray(samples, np.float32)


def _reverb(
    samples: np.ndarray, rate_hz: int, decay_s: float, direct_db: float, seed: int
) -> np.ndarray:
    """In a room that was never built: the direct sound, and after it white noise that decays by
    60 dB in ``decay_s`` and whose energy is ``direct_db`` below that of the direct sound.
    """
    return _within(samples, made_response(rate_hz, decay_s, direct_db, seed))


def made_response(rate_hz: int, decay_s: float, direct_db: float, seed: int) -> np.ndarray:
    """The impulse response of such a room ``float32 [T]``, whose first sample is the direct sound,
    1 (the model of Polack 1988).
    """
    times = np.arange(1, round(_DECAYS * decay_s * rate_hz) + 1) / rate_hz
    random = np.random.Generator(np.random.Philox(key=seed))
    tail = random.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    tail *= 10 ** (-direct_db / 20) / math.sqrt(max(float(tail @ tail), 1e-30))
    return np.concatenate([[1.0], tail]).astype(np.float32)


def _response(samples: np.ndarray, rate_hz: int, path: str, hash: str) -> np.ndarray:
    """In the room of an impulse response, which begins with its largest value: the way of the sound
    to the microphone does not move it in time.
    """
    response = _foreign(path, hash).mono(rate_hz)
    direct = int(np.abs(response).argmax())
    if not response[direct]:
        raise DamageError("response_silent", f"{path} is silent, and no impulse response of a room")
    return _within(samples, response[direct:] / response[direct])


def _within(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The sound with an impulse response, as long as it was; turned down where it would clip."""
    import scipy.signal  # late: it takes a second

    shaped = response.reshape(-1, *[1] * (samples.ndim - 1))
    heard = scipy.signal.oaconvolve(samples, shaped, axes=0)[: len(samples)]
    return _fitting(heard)


def _mix(
    samples: np.ndarray, rate_hz: int, path: str, hash: str, snr_db: float, begin: float
) -> np.ndarray:
    """With another sound beneath it, ``snr_db`` below the level of what sounds in it. The other one
    begins at this share of the 20 ms that sound in it, and is repeated where it is shorter.
    """
    other, sounding = _to_mix_in(path, hash, rate_hz)
    if not len(sounding):
        raise DamageError("noise_silent", f"{path} is silent, and cannot be mixed in at a level")
    # it begins where it sounds, for what is mixed in may be shorter than a pause of it
    frame = sounding[min(int(begin * len(sounding)), len(sounding) - 1)]
    first = int(frame * _frame(rate_hz))
    beneath = np.resize(np.roll(other, -first), len(samples))
    beneath = beneath - other.mean()
    ratio = active_power(samples, rate_hz) / active_power(beneath, rate_hz)
    beneath *= math.sqrt(ratio / 10 ** (snr_db / 10))
    return _fitting(samples + beneath.reshape(-1, *[1] * (samples.ndim - 1)))


def _mask(
    samples: np.ndarray,
    rate_hz: int,
    bands: Sequence[tuple[float, float]] = (),
    spans: Sequence[tuple[float, float]] = (),
    most: float = 1.0,
) -> np.ndarray:
    """Without bands of frequency ``(low_hz, high_hz)``, and silent in spans of time ``(seconds,
    place)``: so long, but no more than the share ``most`` of the whole, and begun at ``place`` in
    [0, 1] of what is left of it.
    """
    whole = len(samples) / rate_hz
    places = []
    for seconds, place in spans:
        length = min(seconds, most * whole)
        begin = place * (whole - length)
        places.append((begin, begin + length))
    # spans last: the filter of the bands rings into them
    return without_spans(_fitting(without_bands(samples, rate_hz, bands)), rate_hz, places)


def active_power(samples: np.ndarray, rate_hz: int) -> float:
    """The mean power of a sound ``[T]`` or ``[T, C]`` where it sounds: of its 20 ms, without their
    mean, those that are no more than 40 dB below the loud ones (95th percentile).
    """
    power = _powers(samples, rate_hz)
    sounding = _sounding(power)
    return max(float(power[sounding].mean()) if sounding.any() else 0.0, _LEAST_POWER)


def _sounding(power: np.ndarray) -> np.ndarray:
    """Which 20 ms of this power ``[F]`` sound; none of silence."""
    loud = float(np.quantile(power, _LOUD_QUANTILE))
    return (power >= loud * 10 ** (-_PAUSE_DB / 10)) & (power > _LEAST_POWER)


def _powers(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """The power of each 20 ms about its mean ``[F]``, of the mean of the channels; the rest behind
    the last whole one is left out, where there is one.
    """
    mono = samples.mean(axis=1) if samples.ndim > 1 else samples
    frame = min(_frame(rate_hz), len(mono))
    whole = len(mono) // frame * frame
    return np.asarray(mono[:whole].reshape(-1, frame).var(axis=1, dtype=np.float64))


def _frame(rate_hz: int) -> int:
    return max(1, round(_FRAME_S * rate_hz))


@functools.lru_cache(maxsize=8)
def _foreign(path: str, hash: str) -> Sound:
    """A sound of the user's that a step names, which is still what it was."""
    from .audio import decode  # late: pictures take steps as well, and need no sound

    file = Path(path)
    if not file.is_file():
        raise DamageError("file_missing", f"{path}, which a step names, is not there")
    if hash_file(file) != hash:
        raise DamageError("file_changed", f"{path} changed since the step was written down")
    return decode(file)


@functools.lru_cache(maxsize=8)
def _to_mix_in(path: str, hash: str, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """A sound of the user's at this rate ``[T]``, and which of its 20 ms sound."""
    other = _foreign(path, hash).mono(rate_hz)
    return other, np.flatnonzero(_sounding(_powers(other, rate_hz)))


def _fitting(samples: np.ndarray) -> np.ndarray:
    """The sound, turned down as a whole where it rises above full scale."""
    return np.asarray(samples / max(1.0, float(np.abs(samples).max(initial=0.0))), np.float32)


def _by_channel(samples: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Each channel of a sound ``[T]`` or ``[T, C]`` changed for itself."""
    if samples.ndim == 1:
        return change(samples)
    return np.stack([change(np.ascontiguousarray(own)) for own in samples.T], axis=1)


# those that say how a sound is read, before anything else is done to it
READ_STEPS = ("mono", "resample")
SAMPLE_STEPS: dict[str, Callable[..., np.ndarray | WithNote]] = {
    "gain": _gain,
    "noise": _noise,
    "loudness": _loudness,
    "speed": _speed,
    "pitch": _pitch,
    "filter": _filter,
    "reverb": _reverb,
    "response": _response,
    "mix": _mix,
    "mask": _mask,
}
