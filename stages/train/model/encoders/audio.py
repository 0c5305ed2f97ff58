"""Sound to tokens in time, over a spectrogram: convolutions, an LSTM (Hochreiter & Schmidhuber
1997), or the frames as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ....modalities.audio import AudioOptions
from ...data.part import InputPart
from ..recurrent import Lstm
from .image import block
from .spectrum import Spectrum

_TOKENS = 8


class SpectrumCnn(nn.Module):
    """Samples ``[B, T]`` to eight tokens in time ``[B, 8, D]``.

    The last convolution spans all bands, so that a token knows how high a sound is, not only its
    shape. They divide the whole of ``T``, padding too.
    """

    divides_whole = True

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.spectrum = _spectrum(part)
        self.layers = nn.Sequential(
            block(1, 24),
            block(24, 48),
            block(48, 64),
            nn.Conv2d(64, width, (-(-self.spectrum.bands // 8), 1)),
            nn.GELU(),
            nn.AdaptiveAvgPool2d((1, _TOKENS)),
        )

    def forward(
        self, samples_BT: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        tokens_BTD = self.layers(self.spectrum(samples_BT)[:, None]).squeeze(2).transpose(1, 2)
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])


def _spectrum(part: InputPart) -> Spectrum:
    own = part.own
    assert isinstance(own, AudioOptions)
    return Spectrum(own.rate_hz, own.spectrum)


class _Frames(nn.Module):
    """Frames of the spectrogram with their mask: those that hold real samples, at least one."""

    def __init__(self, part: InputPart) -> None:
        super().__init__()
        self.spectrum = _spectrum(part)

    def forward(
        self, samples_BT: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        frames_BTF = self.spectrum(samples_BT).transpose(1, 2)
        # frames are centred on their samples: one more than there are hops
        count_B = (
            torch.full_like(present_B, frames_BTF.shape[1], dtype=torch.long)
            if length_B is None
            else length_B // self.spectrum.hop + 1
        )
        return frames_BTF, (
            torch.arange(frames_BTF.shape[1], device=samples_BT.device) < count_B[:, None]
        ) & present_B[:, None]


class SpectrumLstm(nn.Module):
    """Samples ``[B, T]`` to the state after every fourth frame ``[B, frames / 4, D]``."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.frames = _Frames(part)
        self.lstm = Lstm(self.frames.spectrum.bands, width, batch_first=True)

    def forward(
        self, samples_BT: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        frames_BTF, mask_BT = self.frames(samples_BT, length_B, present_B)
        states_BTD, _ = self.lstm(frames_BTF)
        return states_BTD[:, ::4], mask_BT[:, ::4]


class SpectrumFrames(nn.Module):
    """Samples ``[B, T]`` to a linear map of each frame ``[B, frames, D]``: for fusions that do all
    the work.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.frames = _Frames(part)
        self.map = nn.Linear(self.frames.spectrum.bands, width)

    def forward(
        self, samples_BT: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        frames_BTF, mask_BT = self.frames(samples_BT, length_B, present_B)
        return self.map(frames_BTF), mask_BT
