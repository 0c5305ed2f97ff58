"""Concatenation: the pooled parts side by side, a learned filler in the place of an absent one,
then a linear map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import masked_mean


class ConcatFusion(nn.Module):
    """``z = W [h_1; ...; h_M]`` with ``h_m`` the learned filler where part m is absent."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.filler_MD = nn.Parameter(torch.zeros(parts, width))
        self.mix = nn.Sequential(nn.Linear(parts * width, width), nn.GELU(), nn.Dropout(dropout))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``; nothing to look at."""
        pooled_BMD = torch.stack(
            [masked_mean(t, m) for t, m in zip(tokens, masks, strict=True)], dim=1
        )
        filled_BMD = torch.where(
            present_BM[:, :, None], pooled_BMD, self.filler_MD.to(pooled_BMD.dtype)
        )
        return self.mix(filled_BMD.flatten(1)), {}
