"""Sound by its harmony and its beat: chroma, spectral contrast and tempo, as librosa makes them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...schemas.fingerprint import fingerprint
from ..base import Extractor

_FFT, _HOP = 2048, 512  # samples
_PITCHES, _BANDS = 12, 7
_USUAL_BPM = 120.0


@dataclass(frozen=True, kw_only=True)
class Music(Extractor):
    """Mean and standard deviation over time of the twelve pitch classes, C to B (chroma, each frame
    scaled to a largest value of 1; Ellis 2007) and of seven octave bands of spectral contrast in
    units of ten decibels (Jiang et al. 2002); last the tempo, as a multiple of 120 beats a minute
    (autocorrelation of onset strength; Ellis 2007), 0 where nothing has an onset.

    rate_hz: sound is resampled to it first; at least 16,000, for the bands to lie below the half of
        it. Frames of 2,048 samples every 512; what is shorter is filled with silence.
    """

    modality: ClassVar[str] = "audio"

    rate_hz: int = 22_050

    def __post_init__(self) -> None:
        if self.rate_hz < 16_000:
            raise ValueError(f"rate_hz: wanted 16000 or more, found {self.rate_hz}")

    def identity(self) -> str:
        # its numbers are those of its library
        return fingerprint(super().identity(), importlib.metadata.version("librosa"))

    def dims(self) -> int:
        return 2 * (_PITCHES + _BANDS) + 1

    def extract(self, data: np.ndarray) -> np.ndarray:
        import librosa

        sound = np.pad(data, (0, max(0, _FFT - len(data)))).astype(np.float32)
        power = np.abs(librosa.stft(sound, n_fft=_FFT, hop_length=_HOP)) ** 2
        # tuned to A 440: a guess of the tuning would jump between neighbours
        chroma = librosa.feature.chroma_stft(S=power, sr=self.rate_hz, tuning=0.0)
        contrast = librosa.feature.spectral_contrast(S=np.sqrt(power), sr=self.rate_hz) / 10
        bands = np.concatenate([chroma, contrast])
        onsets = librosa.onset.onset_strength(
            S=librosa.power_to_db(
                librosa.feature.melspectrogram(S=power, sr=self.rate_hz), ref=1.0, top_db=None
            ),
            sr=self.rate_hz,
        )
        beat = 0.0
        if onsets.any():
            beat = float(
                librosa.feature.tempo(onset_envelope=onsets, sr=self.rate_hz, hop_length=_HOP)[0]
            )
        return np.concatenate([bands.mean(1), bands.std(1), [beat / _USUAL_BPM]]).astype(np.float32)
