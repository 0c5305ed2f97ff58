"""The largest value of each feature over the present parts: ``z_d = max_S h_md``."""

from __future__ import annotations

import torch
from torch import Tensor

from ._pooled import PooledFusion


class MaxFusion(PooledFusion):
    """``z_d = max_S h_md``. One present part gives exactly that part."""

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The maximum."""
        lowest = torch.finfo(pooled_BMD.dtype).min
        return pooled_BMD.masked_fill(~present_BM[:, :, None], lowest).amax(1), {}
