"""Two records mixed, with one share for all their parts: ``x = s x_a + (1 - s) x_b``, ``l = s
l(y_a) + (1 - s) l(y_b)``, s from Beta(alpha, alpha).

Zhang et al. 2018, *mixup*; on tokens rather than media, as in manifold mixup (Verma et al. 2019),
since words cannot be averaged. A part is there if both have it, a token if both have one there.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ..loss_terms import BatchTargets, Decided, Sizes, Term

_STEP = 7919.0  # another number in [0, 1) from the same draw


class Mixup(nn.Module):
    """Each row's partner is the next one by its draw: a function of seed, epoch and keys of the
    batch.

    weight: beside the task's loss. alpha: of the beta distribution; below 1, most shares are near 0
        or 1.
    """

    def __init__(self, sizes: Sizes, weight: float = 0.5, alpha: float = 0.2) -> None:
        super().__init__()
        self.weight, self.alpha = weight, alpha

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The mixed rows' loss."""
        assert task.draw_B is not None
        draw_B = task.draw_B.to(decided.logits_BO.device)
        order = draw_B.argsort()
        partner_B = torch.empty_like(order).scatter_(0, order, order.roll(1))
        share_B = self.shares(draw_B)
        both_BM = decided.shown_BM & decided.shown_BM[partner_B]
        mixed = [
            self.mix(x_BTD, x_BTD[partner_B], mask_BT, mask_BT[partner_B], share_B)
            for x_BTD, mask_BT in zip(decided.tokens, decided.masks, strict=True)
        ]
        logits_BO = decided.decide(
            [tokens for tokens, _ in mixed], [mask for _, mask in mixed], both_BM
        )
        other_B = task.objective.loss(logits_BO, task.encoded[partner_B])
        value_B = share_B * task.loss(logits_BO) + (1 - share_B) * other_B
        return [(self.weight * value_B, task.weight_B * task.weight_B[partner_B] * both_BM.any(1))]

    def shares(self, draw_B: Tensor) -> Tensor:
        """The share of the row itself ``[B]``."""
        uniform = np.clip((draw_B.double().cpu().numpy() * _STEP) % 1.0, 1e-6, 1 - 1e-6)
        return (
            torch.from_numpy(stats.beta.ppf(uniform, self.alpha, self.alpha))
            .float()
            .to(draw_B.device)
        )

    def mix(
        self, a_BTD: Tensor, b_BTD: Tensor, a_mask_BT: Tensor, b_mask_BT: Tensor, share_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and mask of the mixture."""
        share_B11 = share_B[:, None, None].to(a_BTD.dtype)
        return share_B11 * a_BTD + (1 - share_B11) * b_BTD, a_mask_BT & b_mask_BT
