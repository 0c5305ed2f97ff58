"""What fusions of pooled parts share: tokens to vectors under their masks, and the prior where nothing is there."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean of the tokens that the mask keeps ``[B, D]``; zero where it keeps none."""
    weight_BT1 = mask_BT[:, :, None].to(tokens_BTD.dtype)
    return (tokens_BTD * weight_BT1).sum(1) / weight_BT1.sum(1).clamp(min=1)


def pooled(tokens: list[Tensor], masks: list[Tensor]) -> Tensor:
    """The mean token of each part ``[B, M, D]``."""
    return torch.stack([masked_mean(t, m) for t, m in zip(tokens, masks, strict=True)], dim=1)


def present_mean(values_BMD: Tensor, present_BM: Tensor) -> Tensor:
    """The mean of the present parts ``[B, D]``; zero where none is."""
    return masked_mean(values_BMD, present_BM)


def or_prior(fused_BD: Tensor, present_BM: Tensor, prior_D: Tensor) -> Tensor:
    """The fused vector, or the learned prior in rows where nothing is present."""
    return torch.where(present_BM.any(1, keepdim=True), fused_BD, prior_D.to(fused_BD.dtype))


def weigh(values_BND: Tensor, scores_BN: Tensor, there_BN: Tensor) -> tuple[Tensor, Tensor]:
    """The average of the values under a softmax of the scores of those that are there, and the weights ``[B, N]``; zero where none is."""
    scores_BN = scores_BN.float().masked_fill(~there_BN, float("-inf"))
    highest_B1 = scores_BN.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
    weight_BN = (scores_BN - highest_B1).exp()
    weight_BN = weight_BN / weight_BN.sum(1, keepdim=True).clamp(min=1e-9)
    return (values_BND * weight_BN[:, :, None].to(values_BND.dtype)).sum(1), weight_BN
