"""What a recording sounds like every 20 ms, for the mapping of times (``align.warp``): ``mfcc``, the
timbre, for speech; ``chroma``, the pitch classes, for music.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...media.audio import Sound
from ...media.spectrum import log_mel, mfcc

HOP_S = 0.02
WIDTHS = {"mfcc": 13, "chroma": 12}
_SPEECH_HZ, _SPEECH_FFT, _BANDS = 16_000, 512, 40
_RANGE_DB = 40.0  # what lies further below the loudest band is all alike: noise is no timbre
_QUIET_DB, _LOUD_QUANTILE = 25.0, 0.95
_MUSIC_HZ, _MUSIC_FFT = 22_050, 4096


def sequence_of(sound: Sound, name: str) -> np.ndarray:
    """The rows ``float32 [F, D]`` of a recording, of which row n is of the moment n times 20 ms, and
    D is ``WIDTHS[name]``.

    ``mfcc``: coefficients 0 to 12 of 40 mel bands, of which each is taken to be at least 40 dB
    below the loudest. ``chroma``: of librosa (Ellis 2007), tuned to A 440, each row of length 1.
    """
    if name == "mfcc":
        bands = log_mel(sound.mono(_SPEECH_HZ), _SPEECH_HZ, _BANDS, _SPEECH_FFT, _hop(_SPEECH_HZ))
        return mfcc(np.maximum(bands, bands.max() - _RANGE_DB), WIDTHS["mfcc"]).T
    import librosa  # late: it takes seconds

    samples, hop = sound.mono(_MUSIC_HZ), _hop(_MUSIC_HZ)
    chroma = librosa.feature.chroma_stft(
        # what is shorter than a window would be refused
        y=np.pad(samples, (0, _MUSIC_FFT)),
        sr=_MUSIC_HZ,
        n_fft=_MUSIC_FFT,
        hop_length=hop,
        norm=2,
        tuning=0.0,
    )
    return np.asarray(chroma.T[: 1 + len(samples) // hop])


def sounding(rows: np.ndarray, tracks: Mapping[str, np.ndarray]) -> np.ndarray:
    """The rows ``[F, D]`` of a recording, NaN before it is first loud and after it was last so: no
    more than 25 dB below its loud moments (95th percentile).
    """
    power = tracks["moving"]
    loud = np.flatnonzero(power > np.quantile(power, _LOUD_QUANTILE) * 10 ** (-_QUIET_DB / 10))
    if not len(loud):
        return np.full_like(rows, np.nan)
    times, hop = np.arange(len(rows)) * HOP_S, float(tracks["hop"][0])
    is_in = (times >= loud[0] * hop - HOP_S / 2) & (times <= (loud[-1] + 1) * hop + HOP_S / 2)
    return np.where(is_in[:, None], rows, np.nan).astype(np.float32)


def _hop(rate_hz: int) -> int:
    return round(HOP_S * rate_hz)
