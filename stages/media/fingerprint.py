"""Fingerprints of sound, by which recordings are found again after compression, resampling, a
change of level, or as a piece of another one (Haitsma & Kalker 2002).

A fingerprint has 32 bits for each 20 ms: whether the energy of a band of mel frequencies exceeds
that of the next one by more than a frame ago. About a tenth of the bits differ between two copies
of one recording, nearly half between two recordings.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import soxr

from ...schemas.arrays import Float32s, Uint32s
from ...schemas.united import United
from .spectrum import hz_to_mel, mel_to_hz

RATE_HZ = 8000
_WINDOW, _HOP = 2048, 160  # samples: 256 ms every 20 ms
_BANDS = 33
_LOW_HZ, _HIGH_HZ = 300.0, 3400.0
_SILENT = 1e-7  # mean power of a window in which there is nothing to compare
_CHUNK = 4096  # windows transformed at once
_MOST_ERRORS = 0.3  # share of bits
_LEAST_FRAMES = 25  # half a second
_LEAST_SHARE = 0.5  # of the shorter one
_KEY_BITS = np.uint32(0xFFFFFF)
_NEIGHBOURS = 4  # others with the same key that are looked at


def fingerprint_of(samples: Float32s, rate_hz: int) -> Uint32s:
    """The fingerprint ``uint32 [F]`` of mono samples ``[T]``, a value each 20 ms; 0 where the sound
    is silent. Empty for less than a quarter of a second.
    """
    import scipy.fft  # late: it takes half a second, and most runs have no sounds to compare

    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="LQ")
    count = (len(samples) - _WINDOW) // _HOP + 1
    if count < 2:
        return np.empty(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP][:count]
    energy = np.empty((count, _BANDS), np.float32)
    loud, edges = np.empty(count, bool), _edges()
    for start in range(0, count, _CHUNK):
        chunk = windows[start : start + _CHUNK]
        spectrum = scipy.fft.rfft(chunk * _hann(), axis=1)[:, edges[0] : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        # a sum over neighbours; a product with a matrix of zeros would take the time of the rest
        energy[start : start + _CHUNK] = np.add.reduceat(power, edges[:-1] - edges[0], axis=1)
        loud[start : start + _CHUNK] = np.square(chunk).mean(1) > _SILENT
    rises = np.diff(np.diff(energy, axis=1), axis=0) > 0
    bits = np.packbits(rises, axis=1).view(">u4")[:, 0].astype(np.uint32)
    bits[~(loud[1:] & loud[:-1])] = 0
    return np.asarray(bits)


@functools.cache
def _hann() -> np.ndarray:
    return np.hanning(_WINDOW).astype(np.float32)


@functools.cache
def _edges() -> np.ndarray:
    """Where in a spectrum each band begins, and the last one ends: of equal width in mel."""
    low, high = hz_to_mel(np.array(_LOW_HZ)), hz_to_mel(np.array(_HIGH_HZ))
    hertz = mel_to_hz(np.linspace(float(low), float(high), _BANDS + 1))
    return np.asarray(np.ceil(hertz * _WINDOW / RATE_HZ).astype(int))


def bit_errors(one: Uint32s, other: Uint32s, shift: int) -> tuple[float, int]:
    """Share of bits in which two fingerprints differ, the other begun ``shift`` frames after the
    one, and of how many frames: those in which both are to be heard.
    """
    begin, end = max(0, shift), min(len(one), len(other) + shift)
    if end <= begin:
        return 1.0, 0
    a, b = one[begin:end], other[begin - shift : end - shift]
    heard = (a != 0) & (b != 0)
    count = int(heard.sum())
    return (
        (float(np.bitwise_count(a[heard] ^ b[heard]).sum()) / (32 * count), count)
        if count
        else (1.0, 0)
    )


def sound_alikes(prints: Sequence[Uint32s]) -> list[tuple[int, int, float]]:
    """Pairs of recordings that are one, whole or a piece of at least half the shorter one: their
    numbers, the smaller first, and the share of bits that differ; enough pairs to connect all.
    """
    united = United(len(prints))
    heard = [int(np.count_nonzero(own)) for own in prints]
    for first, other, shift in _meetings(prints).tolist():
        if united.are(first, other):
            continue
        errors, frames = bit_errors(prints[first], prints[other], shift)
        least = max(_LEAST_FRAMES, _LEAST_SHARE * min(heard[first], heard[other]))
        if errors <= _MOST_ERRORS and frames >= least:
            united.unite(first, other, errors)
    return united.edges


def _meetings(prints: Sequence[Uint32s]) -> np.ndarray:
    """Where two recordings have a key in common ``int64 [K, 3]``: their numbers, and by how many
    frames the second begins later; those first that have most in common.

    A key is 24 of the 32 bits of a frame, the upper or the lower ones: of a tenth of wrong bits one
    key in twelve stays whole.
    """
    if not any(len(own) for own in prints):
        return np.empty((0, 3), int)
    numbers = np.repeat(np.arange(len(prints)), [len(own) for own in prints])
    frames = np.concatenate([np.arange(len(own)) for own in prints])
    bits = np.concatenate(list(prints))
    # silence is the same in all recordings
    there = np.flatnonzero(bits)
    numbers, frames, bits = numbers[there], frames[there], bits[there]
    met = []
    for dropped in (0, 8):
        keys = (bits >> np.uint32(dropped)) & _KEY_BITS
        order = np.lexsort((numbers, keys))
        key, number, frame = keys[order], numbers[order], frames[order]
        for lag in range(1, _NEIGHBOURS + 1):
            same = np.flatnonzero((key[lag:] == key[:-lag]) & (number[lag:] != number[:-lag]))
            shift = frame[same] - frame[same + lag]
            met.append(np.stack([number[same], number[same + lag], shift], axis=1))
    places, counts = np.unique(np.concatenate(met), axis=0, return_counts=True)
    return np.asarray(places[np.argsort(-counts, kind="stable")])
