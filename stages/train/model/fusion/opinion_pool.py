"""Logarithmic opinion pool: ``log p(y|S) = sum_S log p_m(y) - (|S| - 1) log pi(y) + const``, the
product of experts.

Genest and Zidek 1986, *Combining Probability Distributions*; Hinton 2002, *Products of Experts*.
Exact where the parts are independent given the answer, for every subset of them; with nothing
present it is the prior. For numbers it is the product of normal densities: a mean weighted by
learned precisions, beside a standard normal prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._late import LateFusion

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class OpinionPoolFusion(LateFusion):
    """The experts are trained together, by what their product answers. Info: ``logits_BMO``, of
    each part alone.
    """

    def __init__(self, parts: int, width: int, dropout: float, outputs: int, link: str) -> None:
        super().__init__(parts, width, dropout, outputs, link)
        if link == "identity":
            self.precision_M = nn.Parameter(torch.zeros(parts))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``[B, O]``."""
        logits_BMO = self.answers(tokens, masks)
        # each part's logits hold the prior, which must count only once
        added_BMO = (logits_BMO - self.prior_O) * present_BM[:, :, None]
        if self.link == "identity":
            precision_BM = functional.softplus(self.precision_M) * present_BM
            total_BO = (added_BMO * precision_BM[:, :, None]).sum(1) / (
                1 + precision_BM.sum(1, keepdim=True)
            )
            return self.prior_O + total_BO, {"logits_BMO": logits_BMO}
        return self.prior_O + added_BMO.sum(1), {"logits_BMO": logits_BMO}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """None beside the task's own."""
        return []
