"""ResNet-18, 34, 50 and 101 (He et al. 2016) with torchvision's parameter names, so that its
``state_dict`` loads.

Batch statistics are taken over the rows whose image is there; blanked rows have no part in them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.part import InputPart
from .image import normalised


class PresentBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of ``[B, C, ...]`` whose statistics are those of the present rows.
    ``present_B`` is set before each forward pass.
    """

    present_B: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Normalised, of the same shape."""
        assert self.running_mean is not None
        assert self.running_var is not None
        if not self.training or self.present_B is None:
            return functional.batch_norm(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                False,
                0.0,
                self.eps,
            )
        places = list(range(2, input.dim()))
        per_channel = (-1, *[1] * len(places))
        x = input.float()
        weight_B = self.present_B.to(x.dtype).view(-1, *[1] * (input.dim() - 1))
        count = (weight_B.sum() * x[0, 0].numel()).clamp(min=1)
        mean_C = (x * weight_B).sum((0, *places)) / count
        var_C = ((x - mean_C.view(per_channel)).square() * weight_B).sum((0, *places)) / count
        if self.momentum is not None:
            with torch.no_grad():
                # a batch without the part leaves the running statistics as they are
                step = self.momentum * self.present_B.any().to(self.running_mean.dtype)
                self.running_mean.lerp_(mean_C, step)
                self.running_var.lerp_(var_C * count / (count - 1).clamp(min=1), step)
        scale_C = self.weight * torch.rsqrt(var_C + self.eps)
        normal: Tensor = x * scale_C.view(per_channel) + (self.bias - mean_C * scale_C).view(
            per_channel
        )
        return normal.to(input.dtype)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    growth = 1

    def __init__(self, inner: int, middle: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, middle, 3, stride, 1, bias=False)
        self.bn1 = PresentBatchNorm(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, 1, 1, bias=False)
        self.bn2 = PresentBatchNorm(middle)
        self.downsample = shortcut(inner, middle, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's output."""
        y_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        y_BCHW = self.bn2(self.conv2(y_BCHW))
        return functional.relu(
            y_BCHW + (x_BCHW if self.downsample is None else self.downsample(x_BCHW))
        )


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (with the stride, as torchvision has it) and 1 x 1 convolutions around a
    shortcut.
    """

    growth = 4

    def __init__(self, inner: int, middle: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, middle, 1, bias=False)
        self.bn1 = PresentBatchNorm(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.bn2 = PresentBatchNorm(middle)
        self.conv3 = nn.Conv2d(middle, 4 * middle, 1, bias=False)
        self.bn3 = PresentBatchNorm(4 * middle)
        self.downsample = shortcut(inner, 4 * middle, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's output."""
        y_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        y_BCHW = functional.relu(self.bn2(self.conv2(y_BCHW)))
        y_BCHW = self.bn3(self.conv3(y_BCHW))
        return functional.relu(
            y_BCHW + (x_BCHW if self.downsample is None else self.downsample(x_BCHW))
        )


def shortcut(inner: int, outer: int, stride: int) -> nn.Sequential | None:
    """What brings the input to the output's shape, if anything has to."""
    if stride == 1 and inner == outer:
        return None
    return nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), PresentBatchNorm(outer))


class ResNet(nn.Module):
    """uint8 ``[B, H, W, 3]`` to the cells of its last feature map as tokens ``[B, h * w, D]``; ``h
    = ceil(H / 32)``.
    """

    block: type[BasicBlock] | type[Bottleneck] = BasicBlock
    depths: Sequence[int] = (2, 2, 2, 2)

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = PresentBatchNorm(64)
        inner = 64
        for number, depth in enumerate(self.depths):
            blocks = []
            for place in range(depth):
                middle = 64 << number
                blocks.append(self.block(inner, middle, 2 if number and not place else 1))
                inner = middle * self.block.growth
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.project = nn.Linear(inner, width)

    def forward(
        self, image_BHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        tokens_BTD = self.project(
            self.grid(normalised(image_BHWC), present_B).flatten(2).transpose(1, 2)
        )
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])

    def grid(self, x_BCHW: Tensor, present_B: Tensor) -> Tensor:
        """The last feature map ``[B, C, h, w]``."""
        for module in self.modules():
            if isinstance(module, PresentBatchNorm):
                module.present_B = present_B
        x_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        x_BCHW = functional.max_pool2d(x_BCHW, 3, 2, 1)
        for number in range(len(self.depths)):
            x_BCHW = self.get_submodule(f"layer{number + 1}")(x_BCHW)
        return x_BCHW


class ResNet18(ResNet):
    """11,689,512 parameters with ImageNet's head."""


class ResNet34(ResNet):
    """21,797,672 parameters with ImageNet's head."""

    depths = (3, 4, 6, 3)


class ResNet50(ResNet):
    """25,557,032 parameters with ImageNet's head."""

    block = Bottleneck
    depths = (3, 4, 6, 3)


class ResNet101(ResNet):
    """44,549,160 parameters with ImageNet's head."""

    block = Bottleneck
    depths = (3, 4, 23, 3)
