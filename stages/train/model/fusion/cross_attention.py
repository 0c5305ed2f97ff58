"""Each part looks at the tokens of the others: co-attention (Lu et al. 2019, *ViLBERT*), for any
number of parts.

part a's tokens  --query-->  tokens of b, c, ... and one learned token that is always there
a' = a + W attended;  z = mean over S of the pooled a'
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import attended, heads_for, masked_mean, or_prior


class CrossAttentionFusion(nn.Module):
    """The always present token gives a part without company something to look at."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads_for(width)
        self.norm = nn.LayerNorm(width)
        self.query = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.key_value = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(parts))
        self.out = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout)) for _ in range(parts)
        )
        self.alone_2D = nn.Parameter(torch.randn(2, width) * 0.02)
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``; nothing to look at."""
        seen = [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)]
        normed = [self.norm(tokens_BTD) for tokens_BTD in tokens]
        offered = [
            key_value(tokens_BTD)
            for key_value, tokens_BTD in zip(self.key_value, normed, strict=True)
        ]
        batch = present_BM.shape[0]
        alone_B12D = self.alone_2D.to(normed[0].dtype).reshape(1, 1, -1).expand(batch, 1, -1)
        always_B1 = torch.ones(batch, 1, dtype=torch.bool, device=present_BM.device)
        changed = []
        for place, tokens_BTD in enumerate(tokens):
            others = [number for number in range(len(tokens)) if number != place]
            keys, values = torch.cat(
                [alone_B12D, *(offered[number] for number in others)], 1
            ).chunk(2, 2)
            mask_BT = torch.cat([always_B1, *(seen[number] for number in others)], 1)
            looked_BTD = attended(
                self.query[place](normed[place]), keys, values, mask_BT, self.heads
            )
            changed.append(tokens_BTD + self.out[place](looked_BTD))
        pooled_BMD = torch.stack(
            [
                masked_mean(tokens_BTD, mask_BT)
                for tokens_BTD, mask_BT in zip(changed, seen, strict=True)
            ],
            1,
        )
        return or_prior(masked_mean(pooled_BMD, present_BM), present_BM, self.prior_D), {}
