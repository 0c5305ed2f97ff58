"""An absent part is made from those that are there, by a network that learns on parts which
modality dropout hid.

In the manner of ActionMAE (Woo et al. 2023, *Towards Good Practices for Missing Modality Robust
Action Recognition*), on pooled features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..fusion._pool import pooled, row_mean
from .fill import StandIn

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class Reconstruction(StandIn):
    """Info: ``made`` ``[B, M, D]``, each part as the others make it (never from itself).

    weight: of the mean squared error of hidden parts beside the task's loss.
    """

    def __init__(self, parts: int, width: int, weight: float = 0.2) -> None:
        super().__init__(parts, width)
        self.weight = weight
        self.part_MD = nn.Parameter(torch.randn(parts, width) * 0.02)
        self.into = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.outof = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(width, width)) for _ in range(parts)
        )

    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the other parts make of each ``[B, M, D]``."""
        pooled_BMD = pooled(tokens, masks)
        offered_BMD = (
            torch.stack([into(pooled_BMD[:, place]) for place, into in enumerate(self.into)], 1)
            * present_BM[:, :, None]
        )
        count_B1 = present_BM.sum(1, keepdim=True)
        total_BD = offered_BMD.sum(1)
        fillers = []
        for place, outof in enumerate(self.outof):
            others_BD = (total_BD - offered_BMD[:, place]) / (
                count_B1 - present_BM[:, place, None].int()
            ).clamp(min=1)
            fillers.append(outof(others_BD + self.part_MD[place].to(others_BD.dtype)))
        made_BMD = torch.stack(fillers, 1)
        return made_BMD, {"made": made_BMD}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """How far each part that is there is from what the shown others make of it."""
        error_BM = (
            (decided.info["missing.made"].float() - decided.pooled().detach().float())
            .square()
            .mean(2)
        )
        others_BM = decided.shown_BM.sum(1, keepdim=True) - decided.shown_BM.int() > 0
        value_B, weight_B = row_mean(error_BM, decided.there_BM & others_BM)
        return [(self.weight * value_B, weight_B)]
