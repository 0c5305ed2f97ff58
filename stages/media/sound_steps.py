"""The steps that change a sound, each a function from samples to samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...schemas.errors import DamageError
from .loudness import k_weighted_power, loudness_lufs, true_peaks


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


def _loudness(samples: np.ndarray, rate_hz: int, lufs: float, peak_dbtp: float) -> np.ndarray:
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
    peak = float(true_peaks(channels, rate_hz, len(channels)).max())
    gain_db = min(lufs - now, peak_dbtp - 20 * math.log10(peak))
    return np.asarray(samples * np.float32(10 ** (gain_db / 20)))


# those that say how a sound is read, before anything else is done to it
READ_STEPS = ("mono", "resample")
SAMPLE_STEPS: dict[str, Callable[..., np.ndarray]] = {
    "gain": _gain,
    "noise": _noise,
    "loudness": _loudness,
}
