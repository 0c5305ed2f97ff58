"""Weighted models: ``p = sum_S w_m p_m / sum_S w_m``, the linear opinion pool (Stone 1961).

Each part's model learns to answer alone; the weights, on the simplex, are those under which the
validation split is most likely. That is a convex problem with one optimum, found by expectation
maximisation (Dempster, Laird and Rubin 1977).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..objectives.answers import answer_of, logits_of
from ._late import LateFusion

_STEPS = 200


class LateWeightedFusion(LateFusion):
    """Info: ``logits_BMO`` of each part alone, ``weights`` ``[B, M]``."""

    weight_M: Tensor

    def __init__(self, parts: int, width: int, dropout: float, outputs: int, link: str) -> None:
        super().__init__(parts, width, dropout, outputs, link)
        self.register_buffer("weight_M", torch.full((parts,), 1 / parts))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``[B, O]``."""
        logits_BMO = self.answers(tokens, masks)
        # 1e-9: a part whose weight has become 0 still answers where it is alone
        weight_BM = (self.weight_M + 1e-9) * present_BM
        weight_BM = weight_BM / weight_BM.sum(1, keepdim=True).clamp(min=1e-12)
        mixed_BO = (answer_of(logits_BMO.detach(), self.link) * weight_BM[:, :, None]).sum(1)
        answer_BO = torch.where(
            present_BM.any(1, keepdim=True), logits_of(mixed_BO, self.link), self.prior_O
        )
        return answer_BO, {"logits_BMO": logits_BMO, "weights": weight_BM}

    @torch.no_grad()
    def fit(self, logits_NMO: Tensor, present_NM: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Choose the weights by how likely each part's model holds the true answers of rows that
        were not trained on.

        ``loss``: logits ``[N, O]`` to the loss of each row, minus the logarithm of that likelihood.
        """
        likelihood_NM = torch.stack(
            [(-loss(logits_NMO[:, place])).exp() for place in range(logits_NMO.shape[1])], 1
        )
        self.weight_M.copy_(simplex_weights(likelihood_NM, present_NM))


def simplex_weights(likelihood_NM: Tensor, present_NM: Tensor) -> Tensor:
    """The weights ``[M]`` on the simplex that make ``sum log sum_S w_m p_nm`` largest, by
    expectation maximisation.

    Rows with a single part say nothing of weights and have no part in it; without any other row the
    weights are equal.
    """
    rows = present_NM.sum(1) > 1
    p_NM = (likelihood_NM.double() * present_NM)[rows]
    weight_M = torch.full(
        (p_NM.shape[1],), 1 / p_NM.shape[1], dtype=torch.float64, device=p_NM.device
    )
    if not len(p_NM):
        return weight_M.float()
    here_NM = present_NM[rows].double()
    for _ in range(_STEPS):
        share_NM = weight_M * p_NM
        share_NM = share_NM / share_NM.sum(1, keepdim=True).clamp(min=1e-300)
        here_N1 = (here_NM * weight_M).sum(1, keepdim=True).clamp(min=1e-300)
        # with what is expected of the parts that a row lacks
        total_M = (share_NM + (1 - here_NM) * weight_M / here_N1).sum(0)
        weight_M = total_M / total_M.sum()
    return weight_M.float()
