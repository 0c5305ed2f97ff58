"""Weighted average of the present parts: ``z = sum_S w_m h_m / sum_S w_m``, the weights learned (``w = softmax(s)``) or given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ....schemas.errors import InputError
from ._pooled import PooledFusion


class WeightedFusion(PooledFusion):
    """One weight a part; with ``weights`` they stay as given. One present part gives exactly that part. Info: ``weights`` ``[B, M]``."""

    def __init__(self, parts: int, width: int, dropout: float, weights: Sequence[float] = ()) -> None:
        super().__init__(parts, width, dropout)
        if weights and (len(weights) != parts or min(weights) <= 0):
            raise InputError(f"train.fusion: weighted: wanted {parts} weights above 0, one for each input, found {list(weights)}")
        score_M = torch.tensor([float(weight) for weight in weights]).log() if weights else torch.zeros(parts)
        self.score_M = nn.Parameter(score_M, requires_grad=not weights)

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted average."""
        weight_BM = self.score_M.softmax(0) * present_BM
        weight_BM = weight_BM / weight_BM.sum(1, keepdim=True).clamp(min=1e-9)
        return (pooled_BMD * weight_BM[:, :, None].to(pooled_BMD.dtype)).sum(1), {"weights": weight_BM}
