"""A gate a part, chosen by what is there: ``z = sum_S g_m tanh(W_m h_m)``, ``g = softmax_S(MLP[h; p])``.

The gated multimodal unit (Arevalo et al. 2017, *Gated Multimodal Units for Information Fusion*) for any number of parts; articles call such
networks "dynamic fusion" (DFN).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import weigh
from ._pooled import PooledFusion


class GatedFusion(PooledFusion):
    """Info: ``weights`` ``[B, M]``, the gates; exactly 0 for absent parts."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__(parts, width, dropout)
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.gate = nn.Sequential(nn.Linear(parts * width + parts, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, parts))

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The gated sum."""
        here_BMD = pooled_BMD * present_BM[:, :, None]
        scores_BM = self.gate(torch.cat([here_BMD.flatten(1), present_BM.to(here_BMD.dtype)], 1))
        values_BMD = torch.stack([value(here_BMD[:, place]) for place, value in enumerate(self.values)], 1).tanh()
        fused_BD, weight_BM = weigh(values_BMD, scores_BM, present_BM)
        return fused_BD, {"weights": weight_BM}
