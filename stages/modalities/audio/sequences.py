"""What a recording sounds like every 20 ms, for the mapping of times (``align.warp``): ``mfcc``,
the timbre, for speech; ``chroma``, the pitch classes, for music.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...media.audio import Sound
from ...media.spectrum import chroma, log_mel, mfcc

HOP_S = 0.02
WIDTHS = {"mfcc": 13, "chroma": 12}
_SPEECH_HZ, _SPEECH_FFT, _BANDS = 16_000, 512, 40
_RANGE_DB = 40.0  # what lies further below the loudest band is all alike: noise is no timbre
# so far below its loud moments a recording has begun, or is over: speech is loud in each phrase
_QUIET_DB = {"mfcc": 12.0, "chroma": 40.0}
_LOUD_QUANTILE = 0.95
_MARGIN_S = 0.3
_MUSIC_HZ, _MUSIC_FFT = 22_050, 4096


def sequence_of(sound: Sound, name: str) -> np.ndarray:
    """The rows ``float32 [F, D]`` of a recording, of which row n is of the moment n times 20 ms,
    and D is ``WIDTHS[name]``.

    ``mfcc``: coefficients 0 to 12 of 40 mel bands, of which each is taken to be at least 40 dB
    below the loudest. ``chroma``: each row of length 1.
    """
    if name == "mfcc":
        bands = log_mel(sound.mono(_SPEECH_HZ), _SPEECH_HZ, _BANDS, _SPEECH_FFT, _hop(_SPEECH_HZ))
        return mfcc(np.maximum(bands, bands.max() - _RANGE_DB), WIDTHS["mfcc"]).T
    return chroma(sound.mono(_MUSIC_HZ), _MUSIC_HZ, _MUSIC_FFT, _hop(_MUSIC_HZ)).T


def sounding(tracks: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The rows ``[F, D]`` of a recording from its tracks, NaN more than 0.3 s before it is first
    loud, and after it was last so: no more than 12 dB (``mfcc``) or 40 dB (``chroma``) below its
    loud moments (95th percentile). So silence at both ends, of any length, is no timbre.
    """
    rows = tracks[name].reshape(-1, WIDTHS[name])
    power = tracks["moving"]
    floor = np.quantile(power, _LOUD_QUANTILE) * 10 ** (-_QUIET_DB[name] / 10)
    loud = np.flatnonzero(power > floor)
    if not len(loud):
        return np.full_like(rows, np.nan)
    times, hop = np.arange(len(rows)) * HOP_S, float(tracks["hop"][0])
    begin, end = loud[0] * hop - _MARGIN_S, (loud[-1] + 1) * hop + _MARGIN_S
    is_in = (times >= begin) & (times <= end)
    return np.where(is_in[:, None], rows, np.nan).astype(np.float32)


def _hop(rate_hz: int) -> int:
    return round(HOP_S * rate_hz)
