"""Frames to tokens in time: one convolutional network for every frame and a convolution over time,
or frames as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from ...data.part import InputPart
from .image import block, normalised

_CELLS = 8


class FramesCnn(nn.Module):
    """uint8 ``[B, T, H, W, 3]`` to one token a frame ``[B, T, D]``."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            block(3, 24),
            block(24, 48),
            block(48, 64),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, width),
            nn.GELU(),
        )
        self.time = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.GELU())

    def forward(
        self, video_BTHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        batch, frames = video_BTHWC.shape[:2]
        x_BTD = self.frame(normalised(video_BTHWC.flatten(0, 1))).unflatten(0, (batch, frames))
        tokens_BTD = x_BTD + self.time(x_BTD.transpose(1, 2)).transpose(1, 2)
        return tokens_BTD, present_B[:, None].expand(-1, frames)


class VideoPatches(nn.Module):
    """uint8 ``[B, T, H, W, 3]`` to a linear map of each frame, seen 8 x 8 cells large ``[B, T,
    D]``: for fusions that do all the work.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.map = nn.Sequential(
            nn.AdaptiveAvgPool2d(_CELLS), nn.Flatten(), nn.Linear(3 * _CELLS**2, width)
        )

    def forward(
        self, video_BTHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        batch, frames = video_BTHWC.shape[:2]
        tokens_BTD = self.map(normalised(video_BTHWC.flatten(0, 1))).unflatten(0, (batch, frames))
        return tokens_BTD, present_B[:, None].expand(-1, frames)
