"""Small encoders for images: convolutions, or patches as they are.

Group normalisation (Wu & He 2018): no statistic crosses rows, so that blanked rows of absent images
change nothing in the others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....modalities.image import ImageOptions
from ...data.part import InputPart

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
_GRID = 8


def normalised(image_BHWC: Tensor) -> Tensor:
    """uint8 ``[B, H, W, C]`` as float ``[B, C, H, W]``, by ImageNet's mean and deviation, on the
    device of the input.
    """
    mean = torch.tensor(MEAN, device=image_BHWC.device)
    deviation = torch.tensor(DEVIATION, device=image_BHWC.device)
    return ((image_BHWC.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def block(inner: int, outer: int) -> nn.Sequential:
    """Convolution 3 x 3 of stride 2, group normalisation, GELU."""
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, stride=2, padding=1),
        nn.GroupNorm(min(8, outer // 4), outer),
        nn.GELU(),
    )


class ImageCnn(nn.Module):
    """uint8 ``[B, H, W, 3]`` to the cells of a 4 x 4 grid as tokens ``[B, 16, D]``."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            block(3, 24),
            block(24, 48),
            block(48, 96),
            nn.Conv2d(96, width, 3, padding=1),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(4),
        )
        self.position = nn.Parameter(torch.zeros(16, width))

    def forward(
        self, image_BHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        tokens_BTD = self.layers(normalised(image_BHWC)).flatten(2).transpose(1, 2) + self.position
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])


class ImagePatches(nn.Module):
    """uint8 ``[B, H, W, 3]`` to a linear map of each cell of an 8 x 8 grid ``[B, 64, D]``: for
    fusions that do all the work.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        own = part.own
        assert isinstance(own, ImageOptions)
        self.side = -(-own.size // _GRID)
        self.map = nn.Conv2d(3, width, self.side, stride=self.side)
        self.position = nn.Parameter(torch.zeros(_GRID**2, width))

    def forward(
        self, image_BHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        x_BCHW = normalised(image_BHWC)
        height, width = x_BCHW.shape[2:]
        x_BCHW = functional.pad(
            x_BCHW, (0, _GRID * self.side - width, 0, _GRID * self.side - height)
        )
        tokens_BTD = self.map(x_BCHW).flatten(2).transpose(1, 2) + self.position
        return tokens_BTD, present_B[:, None].expand(-1, _GRID**2)
