"""One attention over the tokens of all parts: ``z = sum_t a_t x_t``, one softmax over the union of
their tokens (Bahdanau et al. 2015).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import or_prior, weigh


class TokenAttentionFusion(nn.Module):
    """Info: ``weights`` ``[B, sum of T_m]``, tokens of the parts one after the other."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.query_D = nn.Parameter(torch.randn(width) * width**-0.5)
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]`` and the weights."""
        there_BT = torch.cat(
            [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)], 1
        )
        x_BTD = torch.cat(tokens, 1)
        fused_BD, weight_BT = weigh(
            x_BTD, self.key(x_BTD).tanh() @ self.query_D.to(x_BTD.dtype), there_BT
        )
        return or_prior(fused_BD, present_BM, self.prior_D), {"weights": weight_BT}

    def looked_at(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> list[Tensor]:
        """The weight of each token ``[B, T_m]`` a part; they add up to 1."""
        weight_BT = self(tokens, masks, present_BM)[1]["weights"]
        return list(torch.split(weight_BT, [part.shape[1] for part in tokens], 1))
