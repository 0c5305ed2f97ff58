"""ResNet-18 (He et al. 2016) with torchvision's parameter names, so that its ``state_dict`` loads.

Batch statistics are taken over the rows whose image is there; blanked rows have no part in them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .image import normalised


class PresentBatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose statistics are those of the present rows. ``present_B`` is set before each forward pass."""

    present_B: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Normalised ``[B, C, H, W]``."""
        assert self.running_mean is not None
        assert self.running_var is not None
        if not self.training or self.present_B is None:
            return functional.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        weight_B111 = self.present_B.to(input.dtype)[:, None, None, None]
        count = (weight_B111.sum() * input.shape[2] * input.shape[3]).clamp(min=1)
        mean_C = (input * weight_B111).sum((0, 2, 3)) / count
        var_C = ((input - mean_C[:, None, None]).square() * weight_B111).sum((0, 2, 3)) / count
        if self.momentum is not None:
            with torch.no_grad():
                step = self.momentum * self.present_B.any().to(input.dtype)
                self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), step.to(self.running_mean.dtype))
                self.running_var.lerp_((var_C * count / (count - 1).clamp(min=1)).to(self.running_var.dtype), step.to(self.running_var.dtype))
        scale_C = self.weight * torch.rsqrt(var_C + self.eps)
        return input * scale_C[:, None, None] + (self.bias - mean_C * scale_C)[:, None, None]


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = PresentBatchNorm(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = PresentBatchNorm(outer)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), PresentBatchNorm(outer)) if stride != 1 or inner != outer else None
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's output."""
        y_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        y_BCHW = self.bn2(self.conv2(y_BCHW))
        return functional.relu(y_BCHW + (x_BCHW if self.downsample is None else self.downsample(x_BCHW)))


class ResNet18(nn.Module):
    """uint8 ``[B, H, W, 3]`` to the cells of its last feature map as tokens ``[B, h * w, D]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = PresentBatchNorm(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.project = nn.Linear(512, width)

    def forward(self, image_BHWC: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        for module in self.modules():
            if isinstance(module, PresentBatchNorm):
                module.present_B = present_B
        x_BCHW = functional.relu(self.bn1(self.conv1(normalised(image_BHWC))))
        x_BCHW = functional.max_pool2d(x_BCHW, 3, 2, 1)
        x_BCHW = self.layer4(self.layer3(self.layer2(self.layer1(x_BCHW))))
        tokens_BTD = self.project(x_BCHW.flatten(2).transpose(1, 2))
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])
