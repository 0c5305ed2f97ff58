"""Spectra of sound: mel and Bark filter banks, log-mel spectrogram, MFCC and chroma, in numpy and
scipy.

The mel scale and its area-normalised triangles are those of Slaney's Auditory Toolbox (1998),
librosa's default; the Bark scale is Traunmueller's (1990). librosa is the reference that the tests
compare with.
"""

from __future__ import annotations

import functools

import numpy as np

_LINEAR_HZ = 200.0 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0
_DELTA_FRAMES = 9
FLOOR = 1e-10
_AT_ONCE = 64  # frames
_LOWEST_NOTE_HZ, _HIGHEST_NOTE_HZ = 65.0, 5000.0


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Mel of hertz: linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, float)
    return np.where(
        hz < _BREAK_HZ,
        hz / _LINEAR_HZ,
        _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hz, 1e-9) / _BREAK_HZ) / _LOG_STEP,
    )


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Hertz of mel."""
    mel = np.asarray(mel, float)
    break_mel = _BREAK_HZ / _LINEAR_HZ
    return np.where(
        mel < break_mel, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel))
    )


def hz_to_bark(hz: np.ndarray) -> np.ndarray:
    """Critical-band rate in Bark (Traunmueller 1990, without its corrections at the ends)."""
    hz = np.asarray(hz, float)
    return np.asarray(26.81 * hz / (1960.0 + hz) - 0.53)


def bark_to_hz(bark: np.ndarray) -> np.ndarray:
    """Hertz of Bark."""
    bark = np.asarray(bark, float)
    return np.asarray(1960.0 * (bark + 0.53) / (26.28 - bark))


@functools.lru_cache(maxsize=16)
def mel_filters(rate_hz: int, fft_size: int, bands: int) -> np.ndarray:
    """Triangular filters ``float32 [bands, fft_size / 2 + 1]`` from 0 to half the rate, each of
    area 2 / width.
    """
    edges = mel_to_hz(
        np.linspace(
            float(hz_to_mel(np.array(0.0))), float(hz_to_mel(np.array(rate_hz / 2))), bands + 2
        )
    )
    return np.asarray(
        _triangles(edges, rate_hz, fft_size)
        * (2.0 / (edges[2:] - edges[:-2]))[:, None].astype(np.float32)
    )


@functools.lru_cache(maxsize=16)
def bark_filters(rate_hz: int, fft_size: int, bands: int) -> np.ndarray:
    """Triangular filters ``float32 [bands, fft_size / 2 + 1]``, evenly spaced in Bark from 0 to
    half the rate, peak 1.
    """
    edges = bark_to_hz(
        np.linspace(
            float(hz_to_bark(np.array(0.0))), float(hz_to_bark(np.array(rate_hz / 2))), bands + 2
        )
    )
    return _triangles(edges, rate_hz, fft_size)


def _triangles(edges: np.ndarray, rate_hz: int, fft_size: int) -> np.ndarray:
    bins = np.linspace(0, rate_hz / 2, fft_size // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)).astype(np.float32))


@functools.lru_cache(maxsize=4)
def pitch_class_filters(rate_hz: int, fft_size: int) -> np.ndarray:
    """How much each frequency counts to each of the twelve pitch classes, C to B, tuned to A 440
    ``float32 [12, fft_size / 2 + 1]``: a Gaussian of half a semitone around its notes, from 65 Hz
    to 5 kHz (after Fujishima 1999).
    """
    hertz = np.linspace(0, rate_hz / 2, fft_size // 2 + 1)
    notes = 69 + 12 * np.log2(np.maximum(hertz, 1.0) / 440)
    away = (notes - np.arange(12)[:, None] + 6) % 12 - 6
    is_in = (hertz >= _LOWEST_NOTE_HZ) & (hertz <= _HIGHEST_NOTE_HZ)
    return np.asarray(np.exp(-2 * np.square(away)) * is_in, np.float32)


def chroma(samples: np.ndarray, rate_hz: int, fft_size: int, hop: int) -> np.ndarray:
    """How much of the sound lies in each pitch class ``float32 [12, T]``, each moment of length 1;
    0 where nothing sounds.
    """
    classes = pitch_class_filters(rate_hz, fft_size) @ power(samples, fft_size, hop)
    length = np.sqrt(np.square(classes).sum(0))
    return np.asarray(classes / np.maximum(length, FLOOR), np.float32)


def power(samples: np.ndarray, fft_size: int, hop: int) -> np.ndarray:
    """Power spectrogram ``float32 [fft_size / 2 + 1, T]`` of mono sound, Hann window, frames
    centred, zeros beyond the ends.
    """
    import scipy.fft  # late: it takes half a second

    padded = np.pad(samples.astype(np.float32), fft_size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_size)[::hop]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft_size) / fft_size)).astype(np.float32)
    spectrum = scipy.fft.rfft(frames * window, axis=1)
    return np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T)


def mean_power(samples: np.ndarray, fft_size: int) -> np.ndarray:
    """The mean power of each frequency ``float64 [fft_size / 2 + 1]`` of mono sound ``[T]``, Hann
    window, one frame after the other. The rest behind the last whole frame does not count, for
    where a sound breaks off it has all frequencies; less than a frame is filled up with zeros.
    """
    import scipy.fft  # late: it takes half a second

    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft_size) / fft_size)).astype(np.float32)
    count = len(samples) // fft_size
    if not count:
        samples, count = np.pad(samples, (0, fft_size - len(samples))), 1
    frames = samples[: count * fft_size].reshape(count, fft_size)
    total = np.zeros(fft_size // 2 + 1)
    for first in range(0, count, _AT_ONCE):
        spectrum = scipy.fft.rfft(frames[first : first + _AT_ONCE] * window, axis=1)
        total += (spectrum.real**2 + spectrum.imag**2).sum(0, dtype=np.float64)
    return total / count


def log_mel(
    samples: np.ndarray, rate_hz: int, bands: int = 64, fft_size: int = 1024, hop: int = 256
) -> np.ndarray:
    """Log-mel spectrogram in decibels ``float32 [bands, T]``, not below -100 dB."""
    return np.asarray(
        10
        * np.log10(
            np.maximum(FLOOR, mel_filters(rate_hz, fft_size, bands) @ power(samples, fft_size, hop))
        ),
        np.float32,
    )


def log_bark(
    samples: np.ndarray, rate_hz: int, bands: int = 24, fft_size: int = 1024, hop: int = 256
) -> np.ndarray:
    """Bark spectrogram in decibels ``float32 [bands, T]``, not below -100 dB."""
    return np.asarray(
        10
        * np.log10(
            np.maximum(
                FLOOR, bark_filters(rate_hz, fft_size, bands) @ power(samples, fft_size, hop)
            )
        ),
        np.float32,
    )


def delta(bands: np.ndarray, order: int) -> np.ndarray:
    """The first or second derivative over time ``float32 [bands, T]``, per frame: of a polynomial
    of that order fitted to nine frames (Savitzky & Golay 1964); at the ends that of the first and
    the last nine. A sound of fewer frames is held at both ends.
    """
    from scipy.signal import savgol_filter  # late: it takes half a second

    ends = "interp" if bands.shape[1] >= _DELTA_FRAMES else "nearest"
    return np.asarray(
        savgol_filter(bands, _DELTA_FRAMES, deriv=order, polyorder=order, mode=ends), np.float32
    )


def mfcc(mel_db: np.ndarray, count: int = 20) -> np.ndarray:
    """Mel-frequency cepstral coefficients ``float32 [count, T]`` of a log-mel spectrogram: its
    orthonormal DCT-II.
    """
    import scipy.fft  # late: it takes half a second

    return np.asarray(scipy.fft.dct(mel_db, axis=0, type=2, norm="ortho")[:count], np.float32)
