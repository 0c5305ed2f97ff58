"""The frame of fusions of one vector a part: pool, combine, and the learned prior where nothing is
there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import or_prior, pooled


class PooledFusion(nn.Module):
    """Combines ``[B, M, D]`` as its subclass says in ``combine``."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``, and what the combination has to show."""
        fused_BD, info = self.combine(pooled(tokens, masks), present_BM)
        return or_prior(fused_BD, present_BM, self.prior_D), info

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """One vector of the present parts; anything finite where none is."""
        raise NotImplementedError
