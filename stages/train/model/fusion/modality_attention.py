"""Attention over parts: ``z = sum_S a_m h_m``, ``a = softmax_S(q . tanh(W h_m))`` (additive
attention, Bahdanau et al. 2015).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import weigh
from ._pooled import PooledFusion


class ModalityAttentionFusion(PooledFusion):
    """Info: ``weights`` ``[B, M]``, which add up to 1 over the present parts. One present part
    gives exactly that part.
    """

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__(parts, width, dropout)
        self.key = nn.Linear(width, width)
        self.query_D = nn.Parameter(torch.randn(width) * width**-0.5)

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The attended average."""
        scores_BM = self.key(pooled_BMD).tanh() @ self.query_D.to(pooled_BMD.dtype)
        fused_BD, weight_BM = weigh(pooled_BMD, scores_BM, present_BM)
        return fused_BD, {"weights": weight_BM}
