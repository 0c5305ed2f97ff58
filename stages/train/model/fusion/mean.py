"""The mean of the present parts: ``z = 1/|S| sum_S h_m``."""

from __future__ import annotations

from torch import Tensor

from ._pool import masked_mean
from ._pooled import PooledFusion


class MeanFusion(PooledFusion):
    """``z = 1/|S| sum_S h_m``. One present part gives exactly that part."""

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean."""
        return masked_mean(pooled_BMD, present_BM), {}
