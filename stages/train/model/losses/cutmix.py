"""The later tokens of one record in the place of another's, with one share for all parts (CutMix,
Yun et al. 2019, on tokens).

A part that is a single vector is cut along its features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..loss_terms import Sizes
from .mixup import Mixup


class CutMix(Mixup):
    """As mixup, but every token is of one record alone.

    weight: beside the task's loss. alpha: of the beta distribution that the share of tokens is
        drawn from.
    """

    def __init__(self, sizes: Sizes, weight: float = 0.5, alpha: float = 1.0) -> None:
        super().__init__(sizes, weight, alpha)

    def mix(
        self, a_BTD: Tensor, b_BTD: Tensor, a_mask_BT: Tensor, b_mask_BT: Tensor, share_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and mask of the mixture."""
        length, width = a_BTD.shape[1:]
        if length == 1:
            mine_B1D = (torch.arange(width, device=a_BTD.device) < share_B[:, None] * width)[
                :, None
            ]
            return torch.where(mine_B1D, a_BTD, b_BTD), a_mask_BT & b_mask_BT
        longer_B = torch.maximum(a_mask_BT.sum(1), b_mask_BT.sum(1))  # padding is not cut
        mine_BT = torch.arange(length, device=a_BTD.device) < (share_B * longer_B)[:, None]
        return torch.where(mine_BT[:, :, None], a_BTD, b_BTD), torch.where(
            mine_BT, a_mask_BT, b_mask_BT
        )
