"""Attention over models: ``p = sum_S a_m p_m``, the weights chosen by each record from the pooled
parts (mixture of experts, Jacobs et al. 1991).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..objectives.answers import answer_of, logits_of
from ._late import LateFusion
from ._pool import pooled, weigh


class LateAttentionFusion(LateFusion):
    """Each part's model learns to answer alone, the attention learns whom to believe. Info:
    ``logits_BMO``, ``weights`` ``[B, M]``.
    """

    def __init__(self, parts: int, width: int, dropout: float, outputs: int, link: str) -> None:
        super().__init__(parts, width, dropout, outputs, link)
        self.score = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
            for _ in range(parts)
        )

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``[B, O]``."""
        logits_BMO = self.answers(tokens, masks)
        pooled_BMD = pooled(tokens, masks)
        scores_BM = torch.cat(
            [score(pooled_BMD[:, place]) for place, score in enumerate(self.score)], 1
        )
        mixed_BO, weight_BM = weigh(
            answer_of(logits_BMO.detach(), self.link), scores_BM, present_BM
        )
        answer_BO = torch.where(
            present_BM.any(1, keepdim=True), logits_of(mixed_BO, self.link), self.prior_O
        )
        return answer_BO, {"logits_BMO": logits_BMO, "weights": weight_BM}
