"""Pooling of tokens under a mask."""

from __future__ import annotations

from torch import Tensor


def masked_mean(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean of the tokens that the mask keeps ``[B, D]``; zero where it keeps none."""
    weight_BT1 = mask_BT[:, :, None].to(tokens_BTD.dtype)
    return (tokens_BTD * weight_BT1).sum(1) / weight_BT1.sum(1).clamp(min=1)
