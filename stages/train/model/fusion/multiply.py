"""The product of the present parts, as a residual on their mean: ``z = h + h * prod_S h_m``.

A bare product stays near the prior for long, since one small factor hides all others; the residual
form learns (Kim et al. 2016, *Multimodal Residual Learning for Visual QA*).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._pool import masked_mean
from ._pooled import PooledFusion


class MultiplyFusion(PooledFusion):
    """``z = h + h * prod_S h_m`` with h the mean over S, or the product alone with ``bare``. An
    absent part counts as 1.
    """

    def __init__(self, parts: int, width: int, dropout: float, bare: bool = False) -> None:
        super().__init__(parts, width, dropout)
        self.bare = bare

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The product."""
        product_BD = torch.where(
            present_BM[:, :, None], pooled_BMD, torch.ones_like(pooled_BMD)
        ).prod(1)
        if self.bare:
            return product_BD, {}
        mean_BD = masked_mean(pooled_BMD, present_BM)
        return mean_BD + mean_BD * product_BD, {}
