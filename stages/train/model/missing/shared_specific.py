"""What all parts share and what each adds: an absent part is what the others share.

Wang et al. 2023, *Multi-modal Learning with Missing Modality via Shared-Specific Feature Modelling*
(ShaSpec), at the level of tokens: one shared map for all parts, one of its own for each, their sum
beside the token. The shared features of parts of a record are drawn together; from the specific
ones it has to be seen which part they are of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..fusion._pool import masked_mean, pooled, row_mean
from .fill import StoodIn, stood_in

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class SharedSpecific(nn.Module):
    """Info: ``shared`` and ``specific`` ``[B, M, D]``, pooled.

    weight: of the two demands beside the task's loss.
    """

    def __init__(self, parts: int, width: int, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = weight
        self.shared = nn.Linear(width, width)
        self.specific = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.which = nn.Linear(width, parts)

    def forward(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> StoodIn:
        """Tokens as the sum of shared and specific features; absent parts as the mean of what the
        present ones share.
        """
        shared = [self.shared(x_BTD) for x_BTD in tokens]
        specific = [own(x_BTD) for own, x_BTD in zip(self.specific, tokens, strict=True)]
        shared_BMD, specific_BMD = pooled(shared, masks), pooled(specific, masks)
        common_BMD = masked_mean(shared_BMD, present_BM)[:, None].expand_as(shared_BMD)
        whole = [
            x_BTD + a_BTD + b_BTD
            for x_BTD, a_BTD, b_BTD in zip(tokens, shared, specific, strict=True)
        ]
        return *stood_in(whole, masks, present_BM, common_BMD), {
            "shared": shared_BMD,
            "specific": specific_BMD,
        }

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Shared features lie together, specific ones can be told apart."""
        shared_BMD, specific_BMD = (
            decided.info["missing.shared"].float(),
            decided.info["missing.specific"],
        )
        parts = shared_BMD.shape[1]
        centre_BD = masked_mean(shared_BMD, decided.shown_BM)
        together_B, weight_B = row_mean(
            (shared_BMD - centre_BD[:, None]).square().mean(2), decided.shown_BM
        )
        wanted_BM = torch.arange(parts, device=shared_BMD.device).expand(len(shared_BMD), -1)
        apart_BM = functional.cross_entropy(
            self.which(specific_BMD).float().flatten(0, 1), wanted_BM.flatten(), reduction="none"
        )
        apart_B, _ = row_mean(apart_BM.view_as(wanted_BM), decided.shown_BM)
        return [(self.weight * (together_B + apart_B), weight_B)]
