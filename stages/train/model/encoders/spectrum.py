"""From sound to a picture of it: log-mel, MFCC or log-Bark spectrogram, on the device of
the model.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import torch
from torch import Tensor, nn

from ....media.spectrum import bark_filters, mel_filters

BANDS = {"logmel": 64, "mfcc": 40, "bark": 24}
_MEL_BANDS = 64


class Spectrum(nn.Module):
    """Samples ``[B, T]`` at ``rate_hz`` to ``[B, bands, frames]``, about 0 with a spread of about
    1. Windows of about 64 ms, a quarter of it apart.

    ``mfcc`` is the orthonormal DCT-II of the log-mel spectrogram, its first 40 coefficients;
    ``bark`` has 24 critical bands (Traunmueller 1990).
    """

    filters_MF: Tensor
    window: Tensor
    cosines_CM: Tensor

    def __init__(self, rate_hz: int, kind: str) -> None:
        super().__init__()
        self.kind, self.bands = kind, BANDS[kind]
        self.fft_size = 1 << max(6, round(rate_hz * 0.064).bit_length() - 1)
        filters = (
            bark_filters(rate_hz, self.fft_size, self.bands)
            if kind == "bark"
            else mel_filters(rate_hz, self.fft_size, _MEL_BANDS)
        )
        self.register_buffer("filters_MF", torch.from_numpy(filters), persistent=False)
        self.register_buffer("window", torch.hann_window(self.fft_size), persistent=False)
        if kind == "mfcc":
            cosines = scipy.fft.dct(
                np.eye(_MEL_BANDS, dtype=np.float32), axis=0, type=2, norm="ortho"
            )[: self.bands]
            self.register_buffer("cosines_CM", torch.from_numpy(cosines), persistent=False)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.fft_size // 4

    def forward(self, samples_BT: Tensor) -> Tensor:
        """The spectrogram, in float32."""
        with torch.autocast(samples_BT.device.type, enabled=False):
            spectrum_BFT = torch.stft(
                samples_BT.float(),
                self.fft_size,
                self.hop,
                window=self.window,
                pad_mode="constant",
                return_complex=True,
            )
            power_BMT = self.filters_MF @ spectrum_BFT.abs().square()
            level_BMT = (torch.log10(power_BMT.clamp(min=1e-10)) + 4) / 4
            return self.cosines_CM @ level_BMT if self.kind == "mfcc" else level_BMT
