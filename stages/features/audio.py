"""Sound by its spectrum: MFCC, log-mel and Bark bands, their statistics over time or frame by
frame, no learned weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..base import Extractor
from ..media.spectrum import delta, log_bark, log_mel, mfcc
from ._sequences import LONGEST, check_longest


@dataclass(frozen=True, kw_only=True)
class Audio(Extractor):
    """Mean and standard deviation over time of MFCCs, log-mel bands and Bark bands, in units of ten
    decibels; or these themselves of each frame, of 1,024 samples every 256.

    rate_hz: sound is resampled to it first. mels, barks: bands. coefficients: MFCCs. deltas: also
        mean and standard deviation of the first and second derivatives of the MFCCs, in ten
        decibels per frame of 256 samples, and per its square (Furui 1986; of a parabola fitted to
        nine frames).
    pool: ``mean_std``, or ``none`` for the sequence of frames. longest: how many frames of it are
        kept, from the beginning on.
    """

    modality: ClassVar[str] = "audio"
    later: ClassVar[frozenset[str]] = frozenset({"deltas", "pool", "longest"})

    rate_hz: int = 16_000
    mels: int = 40
    barks: int = 24
    coefficients: int = 20
    deltas: bool = False
    pool: Literal["mean_std", "none"] = "mean_std"
    longest: int = LONGEST

    def __post_init__(self) -> None:
        check_longest(self.longest, self.pool == "none")

    def dims(self) -> int:
        derivatives = 2 * self.coefficients if self.deltas else 0
        statistics = 1 if self.pool == "none" else 2
        return statistics * (self.mels + self.barks + self.coefficients + derivatives)

    def sequence_limit(self) -> int | None:
        return self.longest if self.pool == "none" else None

    def extract(self, data: np.ndarray) -> np.ndarray:
        mel = log_mel(data, self.rate_hz, self.mels)
        cepstrum = mfcc(mel, self.coefficients) / 10
        bands = np.concatenate([cepstrum, mel / 10, log_bark(data, self.rate_hz, self.barks) / 10])
        if self.deltas:
            bands = np.concatenate([bands, delta(cepstrum, 1), delta(cepstrum, 2)])
        if self.pool == "none":
            return np.ascontiguousarray(bands.T, np.float32)
        return np.concatenate([bands.mean(1), bands.std(1)]).astype(np.float32)
