"""A non-local block across parts: ``z_i = x_i + W_z sum_j softmax_j(theta(x_i) . phi(c_j))
g(c_j)``, c the tokens of the other parts.

Wang et al. 2018, *Non-local Neural Networks*; the output map begins at zero, so the block is the
identity at first. Articles speak of a "Non-local Spatial Attention Network" (NASN); no paper of
that name is known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import masked_mean, or_prior


class NonLocalFusion(nn.Module):
    """Info: ``weights_<m>`` ``[B, T_m, T of the others]``. A part without company stays as
    it is.
    """

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.mix = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]`` and the attention of each part."""
        seen = [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)]
        changed, info = [], {}
        for place, x_BTD in enumerate(tokens):
            others = [number for number in range(len(tokens)) if number != place]
            if not others:
                changed.append(x_BTD)
                continue
            c_BTD, mask_BT = (
                torch.cat([tokens[number] for number in others], 1),
                torch.cat([seen[number] for number in others], 1),
            )
            scores_BTU = (self.theta(x_BTD) @ self.phi(c_BTD).transpose(1, 2)).float()
            # the lowest finite number: a softmax over -inf alone is NaN
            scores_BTU = scores_BTU.masked_fill(~mask_BT[:, None], torch.finfo(torch.float32).min)
            # where all are masked, that softmax looks at all alike: taken back
            weight_BTU = scores_BTU.softmax(2) * mask_BT[:, None]
            info[f"weights_{place}"] = weight_BTU
            changed.append(
                x_BTD
                + self.out(weight_BTU.to(x_BTD.dtype) @ self.g(c_BTD))
                * mask_BT.any(1)[:, None, None]
            )
        pooled_BMD = torch.stack(
            [masked_mean(x_BTD, mask_BT) for x_BTD, mask_BT in zip(changed, seen, strict=True)], 1
        )
        mixed_BD: Tensor = self.mix(masked_mean(pooled_BMD, present_BM))
        return or_prior(mixed_BD, present_BM, self.prior_D), info
