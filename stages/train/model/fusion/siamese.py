"""One shared map for every part, and their mean beside how they differ and agree: ``z = W [mean h;
mean |h_a - h_b|; mean h_a * h_b]``.

Siamese networks (Bromley et al. 1993, *Signature Verification*), the features of comparison as in
InferSent (Conneau et al. 2017), for any number of parts. With ``same_as`` on an input two parts
share their encoder as well.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ._pool import masked_mean
from ._pooled import PooledFusion


class SiameseFusion(PooledFusion):
    """Means are over parts, and over pairs of parts, that are there; the order of the parts does
    not matter.
    """

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__(parts, width, dropout)
        self.shared = nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.mix = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout))

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the parts have in common and how they differ."""
        h_BMD = self.shared(pooled_BMD)
        pairs = list(itertools.combinations(range(h_BMD.shape[1]), 2)) or [(0, 0)]
        a, b = ([pair[side] for pair in pairs] for side in (0, 1))
        both_BP = present_BM[:, a] & present_BM[:, b]
        apart_BD, agree_BD = (
            masked_mean(x, both_BP)
            for x in ((h_BMD[:, a] - h_BMD[:, b]).abs(), h_BMD[:, a] * h_BMD[:, b])
        )
        mixed_BD: Tensor = self.mix(
            torch.cat([masked_mean(h_BMD, present_BM), apart_BD, agree_BD], 1)
        )
        return mixed_BD, {}
