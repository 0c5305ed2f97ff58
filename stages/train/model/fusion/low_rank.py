"""The tensor of all products, kept as factors: ``z = sum_r prod_m W_mr [1; h_m]`` (Liu et al. 2018,
*Low-rank Multimodal Fusion*).

An absent part is ``[1; 0]``. The factors are one parameter, so they are trained, moved and saved.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pooled import PooledFusion


class LowRankFusion(PooledFusion):
    """``factors``: ``[M, R, D + 1, D]``, the first row of each is what the constant 1 is
    mapped to.
    """

    def __init__(self, parts: int, width: int, dropout: float, rank: int = 4) -> None:
        super().__init__(parts, width, dropout)
        factors = torch.randn(parts, rank, width + 1, width) * width**-0.5
        factors[:, :, 0] = 1.0  # at first, an absent part is a factor of 1
        self.factors = nn.Parameter(factors)
        self.scale = nn.Parameter(torch.full((rank,), 1 / rank))
        self.dropout = nn.Dropout(dropout)

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum over ranks of products over parts."""
        here_BMD = self.dropout(pooled_BMD) * present_BM[:, :, None]
        with_one = torch.cat([here_BMD.new_ones(*here_BMD.shape[:2], 1), here_BMD], 2)
        product_BRD = torch.einsum(
            "bmi,mrid->bmrd", with_one, self.factors.to(with_one.dtype)
        ).prod(1)
        return torch.einsum("brd,r->bd", product_BRD, self.scale.to(product_BRD.dtype)), {}
