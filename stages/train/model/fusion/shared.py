"""One map with shared weights for every part, then the mean of the present: ``z = 1/|S| sum_S f(h_m
+ e_m)``, e_m which part it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import masked_mean
from ._pooled import PooledFusion


class SharedFusion(PooledFusion):
    """The map is learned from all parts at once; an embedding tells it which part it sees."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__(parts, width, dropout)
        self.part_MD = nn.Parameter(torch.randn(parts, width) * 0.02)
        self.shared = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of the mapped parts."""
        return masked_mean(
            self.shared(pooled_BMD + self.part_MD.to(pooled_BMD.dtype)), present_BM
        ), {}
