"""The sum of the present parts: ``z = sum_S h_m``."""

from __future__ import annotations

from torch import Tensor

from ._pooled import PooledFusion


class AddFusion(PooledFusion):
    """``z = sum_S h_m``. Its scale grows with the number of parts that are there."""

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum."""
        return (pooled_BMD * present_BM[:, :, None]).sum(1), {}
