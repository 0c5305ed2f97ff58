"""All products of features across parts: ``z = W (x)_m [1; V_m h_m]`` (Zadeh et al. 2017, *Tensor
Fusion Network*).

The outer product has (R + 1)^M cells, so each part is first made as narrow as ``rank``. An absent
part is ``[1; 0]``: the products without it remain, those with it are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pooled import PooledFusion


class TensorFusion(PooledFusion):
    """The full tensor of narrow parts."""

    def __init__(self, parts: int, width: int, dropout: float, rank: int = 7) -> None:
        super().__init__(parts, width, dropout)
        cells = (rank + 1) ** parts
        self.narrow = nn.ModuleList(nn.Linear(width, rank) for _ in range(parts))
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(cells, width))

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The outer product, mapped to the width."""
        batch = pooled_BMD.shape[0]
        cells_BC = pooled_BMD.new_ones(batch, 1)
        for place, narrow in enumerate(self.narrow):
            part_BR = narrow(pooled_BMD[:, place]) * present_BM[:, place, None]
            with_one = torch.cat([part_BR.new_ones(batch, 1), part_BR], 1)
            cells_BC = (cells_BC[:, :, None] * with_one[:, None]).flatten(1)
        fused_BD: Tensor = self.out(cells_BC)
        return fused_BD, {}
