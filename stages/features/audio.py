"""Sound by its spectrum: statistics over time of MFCC, log-mel and Bark bands, no learned
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base import Extractor
from ..media.spectrum import log_bark, log_mel, mfcc


@dataclass(frozen=True, kw_only=True)
class Audio(Extractor):
    """Mean and standard deviation over time of MFCCs, log-mel bands and Bark bands, in units of ten
    decibels.

    rate_hz: sound is resampled to it first. mels, barks: bands. coefficients: MFCCs.
    """

    modality: ClassVar[str] = "audio"

    rate_hz: int = 16_000
    mels: int = 40
    barks: int = 24
    coefficients: int = 20

    def dims(self) -> int:
        return 2 * (self.mels + self.barks + self.coefficients)

    def extract(self, data: np.ndarray) -> np.ndarray:
        mel = log_mel(data, self.rate_hz, self.mels)
        bands = np.concatenate(
            [
                mfcc(mel, self.coefficients) / 10,
                mel / 10,
                log_bark(data, self.rate_hz, self.barks) / 10,
            ]
        )
        return np.concatenate([bands.mean(1), bands.std(1)]).astype(np.float32)
