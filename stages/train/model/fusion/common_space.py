"""A common space: each part is mapped to one sphere, ``z = 1/|S| sum_S e_m``, where parts of one
record are to lie together.

Articles speak of a "meta-space"; the field of joint embeddings, from CCA (Hotelling 1936) over Deep
CCA (Andrew et al. 2013) to CLIP (Radford et al.
2021), whose loss is used here. What the parts do not share is lost on the way: the answer to "do a
and b differ" for independent a and b is not learned unless ``weight`` is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._contrast import pairs_term
from ._pool import masked_mean
from ._pooled import PooledFusion

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class CommonSpaceFusion(PooledFusion):
    """Info: ``embeddings`` ``[B, M, D]`` of length 1, in which one part finds the other.

    weight: of the contrast between parts beside the task's loss. temperature: by which likeness is
        divided before its softmax.
    """

    def __init__(
        self, parts: int, width: int, dropout: float, weight: float = 0.2, temperature: float = 0.07
    ) -> None:
        super().__init__(parts, width, dropout)
        self.weight, self.temperature = weight, temperature
        self.towers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(parts)
        )
        # a vector of length 1 is small for the head
        self.scale = nn.Parameter(torch.tensor(width**0.5))

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean embedding."""
        embedded_BMD = torch.stack(
            [
                functional.normalize(tower(pooled_BMD[:, place]).float(), dim=1)
                for place, tower in enumerate(self.towers)
            ],
            1,
        )
        return masked_mean(embedded_BMD, present_BM).to(pooled_BMD.dtype) * self.scale, {
            "embeddings": embedded_BMD
        }

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Contrast between all pairs of parts that are there."""
        return [
            pairs_term(decided.info["embeddings"], decided.shown_BM, self.temperature, self.weight)
        ]
