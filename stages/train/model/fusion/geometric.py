"""Product, then logarithm: ``z = 1/|S| sum_S log(softplus(h_m) + eps)``, the logarithm of the
geometric mean of positive features.

The name is ours; articles call it "product and logarithm". Decisions are multiplied likewise by the
logarithmic opinion pool.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ._pool import masked_mean
from ._pooled import PooledFusion

_EPS = 1e-6


class GeometricFusion(PooledFusion):
    """The mean of logarithms over the present parts."""

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logarithm of the geometric mean."""
        # softplus of a large negative number may round to 0, whose logarithm is -inf
        return masked_mean((functional.softplus(pooled_BMD) + _EPS).log(), present_BM), {}
