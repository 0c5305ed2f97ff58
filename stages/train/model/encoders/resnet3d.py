"""3-D residual networks for video.

R3D-18 (Tran et al. 2018) with torchvision's parameter names, and an inflated ResNet-18 (Carreira
and Zisserman 2017).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.part import InputPart
from .image import normalised
from .resnet import PresentBatchNorm, ResNet18


class R3d18(nn.Module):
    """uint8 ``[B, T, H, W, 3]`` to tokens in time, averaged over space ``[B, ceil(T / 8), D]``.
    33,371,472 parameters with Kinetics' head.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            PresentBatchNorm(64),
            nn.ReLU(),
        )
        inner = 64
        for number in range(4):
            middle = 64 << number
            self.add_module(
                f"layer{number + 1}",
                nn.Sequential(_Block(inner, middle, 2 if number else 1), _Block(middle, middle, 1)),
            )
            inner = middle
        self.project = nn.Linear(inner, width)

    def forward(
        self, video_BTHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        _tell_present(self, present_B)
        x_BCTHW = self.stem(_as_clip(video_BTHWC))
        for number in range(4):
            x_BCTHW = self.get_submodule(f"layer{number + 1}")(x_BCTHW)
        tokens_BTD = self.project(x_BCTHW.mean((3, 4)).transpose(1, 2))
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])


class _Block(nn.Module):
    """Two 3 x 3 x 3 convolutions around a shortcut."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv3d(inner, outer, 3, stride, 1, bias=False), PresentBatchNorm(outer), nn.ReLU()
        )
        self.conv2 = nn.Sequential(
            nn.Conv3d(outer, outer, 3, 1, 1, bias=False), PresentBatchNorm(outer)
        )
        self.downsample = (
            nn.Sequential(nn.Conv3d(inner, outer, 1, stride, bias=False), PresentBatchNorm(outer))
            if stride != 1 or inner != outer
            else None
        )

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """The block's output."""
        shortcut_BCTHW = x_BCTHW if self.downsample is None else self.downsample(x_BCTHW)
        return functional.relu(self.conv2(self.conv1(x_BCTHW)) + shortcut_BCTHW)


class I3dResNet18(ResNet18):
    """A ResNet-18 whose kernels of 3 x 3 and more are three frames deep; its weights are those of a
    ResNet-18, see :func:`inflate`.

    uint8 ``[B, T, H, W, 3]`` to one token a frame, averaged over space ``[B, T, D]``. The first and
    last frames are repeated beyond the ends, so that a video which never changes gives what its
    picture gives a ResNet-18 (the "boring video" of the paper).
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        _inflate_convolutions(self)

    def forward(
        self, video_BTHWC: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        _tell_present(self, present_B)
        x_BCTHW = functional.relu(self.bn1(self.conv1(_as_clip(video_BTHWC))))
        x_BCTHW = functional.max_pool3d(x_BCTHW, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for number in range(len(self.depths)):
            x_BCTHW = self.get_submodule(f"layer{number + 1}")(x_BCTHW)
        tokens_BTD = self.project(x_BCTHW.mean((3, 4)).transpose(1, 2))
        return tokens_BTD, present_B[:, None].expand(-1, tokens_BTD.shape[1])


class _InflatedConv(nn.Conv3d):
    """A 3-D convolution whose padding in time repeats the first and the last frame."""

    def __init__(self, flat: nn.Conv2d) -> None:
        depth = 3 if flat.kernel_size[0] > 1 else 1
        super().__init__(
            flat.in_channels,
            flat.out_channels,
            (depth, *flat.kernel_size),  # type: ignore[arg-type]
            (1, *flat.stride),  # type: ignore[arg-type]
            (0, *flat.padding),
            bias=False,
        )

    def forward(self, input: Tensor) -> Tensor:
        """The convolution's output, as many frames as before."""
        if self.kernel_size[0] > 1:
            input = torch.cat([input[:, :, :1], input, input[:, :, -1:]], 2)
        return super().forward(input)


def _inflate_convolutions(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, _InflatedConv(child))
        else:
            _inflate_convolutions(child)


def inflate(flat: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a 2-D network for a 3-D one of the same names: kernels repeated along time and
    divided by its length.
    """
    weights = {}
    for name, value in flat.items():
        target = wanted.get(name)
        deep = target is not None and target.dim() == 5 and value.dim() == 4
        weights[name] = (
            value[:, :, None].expand(-1, -1, target.shape[2], -1, -1) / target.shape[2]
            if deep and target is not None
            else value
        )
    return weights


def _as_clip(video_BTHWC: Tensor) -> Tensor:
    """Normalised ``[B, 3, T, H, W]``."""
    batch, frames = video_BTHWC.shape[:2]
    # torch leaves it
    pixels_BTCHW: Tensor = normalised(video_BTHWC.flatten(0, 1)).unflatten(0, (batch, frames))  # type: ignore[no-untyped-call]
    return pixels_BTCHW.transpose(1, 2)


def _tell_present(module: nn.Module, present_B: Tensor) -> None:
    for child in module.modules():
        if isinstance(child, PresentBatchNorm):
            child.present_B = present_B
