"""Sound to tokens in time: a log-mel spectrogram and a convolutional network over it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...media.spectrum import mel_filters
from .image import block

_BANDS = 64


class LogMelCnn(nn.Module):
    """Samples ``[B, T]`` at ``rate_hz`` to eight tokens in time ``[B, 8, D]``. Windows of about 64 ms, 16 ms apart.

    The last convolution spans all bands, so that a token knows how high a sound is, not only its shape.
    """

    filters_MF: Tensor
    window: Tensor

    def __init__(self, width: int, rate_hz: int) -> None:
        super().__init__()
        self.fft_size = 1 << max(6, round(rate_hz * 0.064).bit_length() - 1)
        self.register_buffer("filters_MF", torch.from_numpy(mel_filters(rate_hz, self.fft_size, _BANDS)), persistent=False)
        self.register_buffer("window", torch.hann_window(self.fft_size), persistent=False)
        self.layers = nn.Sequential(
            block(1, 24), block(24, 48), block(48, 64), nn.Conv2d(64, width, (_BANDS // 8, 1)), nn.GELU(), nn.AdaptiveAvgPool2d((1, 8))
        )

    def forward(self, samples_BT: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        with torch.autocast(samples_BT.device.type, enabled=False):
            spectrum_BFT = torch.stft(
                samples_BT.float(), self.fft_size, self.fft_size // 4, window=self.window, pad_mode="constant", return_complex=True
            )
            mel_BMT = self.filters_MF @ spectrum_BFT.abs().square()
            level_BMT = (torch.log10(mel_BMT.clamp(min=1e-10)) + 4) / 4
        tokens_BTD = self.layers(level_BMT[:, None]).squeeze(2).transpose(1, 2)
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])
