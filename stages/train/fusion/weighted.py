"""Weighted average of the present parts, the weights learned: ``z = sum_S w_m h_m / sum_S w_m``, ``w = softmax(s)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import masked_mean


class WeightedFusion(nn.Module):
    """One weight a part. One present part gives exactly that part; none gives the learned prior."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.score_M = nn.Parameter(torch.zeros(parts))
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]`` and ``weights`` ``[B, M]``, which add up to 1 over the present parts."""
        pooled_BMD = torch.stack([masked_mean(t, m) for t, m in zip(tokens, masks, strict=True)], dim=1)
        weight_BM = self.score_M.softmax(0) * present_BM
        weight_BM = weight_BM / weight_BM.sum(1, keepdim=True).clamp(min=1e-9)
        fused_BD = (pooled_BMD * weight_BM[:, :, None].to(pooled_BMD.dtype)).sum(1)
        fused_BD = torch.where(present_BM.any(1, keepdim=True), fused_BD, self.prior_D.to(fused_BD.dtype))
        return fused_BD, {"weights": weight_BM}
