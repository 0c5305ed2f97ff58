"""Cross-modal matching: how alike the tokens of two parts are, ``S_ij = cos(a_i, b_j)``, summed up
and classified beside the parts themselves.

For every pair of parts: the mean over i of the best j, the mean over j of the best i, and the mean,
as in stacked cross attention (Lee et al. 2018,
*SCAN*); a pair of which one is absent is represented by three learned numbers. Articles speak of a
"cross-modal matching network" (CMN); no paper of that name is known, the field of image-text
matching (Zhang and Lu 2018, *CMPM*) is meant.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._contrast import pairs_term
from ._pool import or_prior, pooled

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term

_STATISTICS = 3


class MatchingFusion(nn.Module):
    """Info: ``similarity`` ``[B, pairs, 3]``; with two parts ``matrix`` ``[B, T_a, T_b]``;
    ``embeddings`` ``[B, M, D]``.

    weight: of the contrast between parts beside the task's loss. temperature: by which likeness is
        divided before its softmax.
    """

    def __init__(
        self, parts: int, width: int, dropout: float, weight: float = 0.1, temperature: float = 0.07
    ) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature
        self.pairs = list(itertools.combinations(range(parts), 2))
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.filler_MD = nn.Parameter(torch.zeros(parts, width))
        self.alone_P3 = nn.Parameter(torch.zeros(len(self.pairs), _STATISTICS))
        self.mix = nn.Sequential(
            nn.Linear(parts * width + _STATISTICS * len(self.pairs), width),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]`` and the similarities."""
        seen = [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)]
        mapped = [map_(x_BTD) for map_, x_BTD in zip(self.maps, tokens, strict=True)]
        embedded_BMD = pooled(mapped, seen)
        info: dict[str, Tensor] = {"embeddings": embedded_BMD}
        statistics = []
        for place, (a, b) in enumerate(self.pairs):
            matrix_BTU, statistics_B3 = similarity(mapped[a], mapped[b], seen[a], seen[b])
            both_B1 = (seen[a].any(1) & seen[b].any(1))[:, None]
            statistics.append(torch.where(both_B1, statistics_B3, self.alone_P3[place]))
            if len(self.pairs) == 1:
                info["matrix"] = matrix_BTU
        if statistics:
            info["similarity"] = torch.stack(statistics, 1)
        kind = embedded_BMD.dtype
        filled_BMD = torch.where(present_BM[:, :, None], embedded_BMD, self.filler_MD.to(kind))
        fused_BD: Tensor = self.mix(
            torch.cat([filled_BMD.flatten(1), *(pair_B3.to(kind) for pair_B3 in statistics)], 1)
        )
        return or_prior(fused_BD, present_BM, self.prior_D), info

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Contrast between all pairs of parts that are there."""
        return [
            pairs_term(decided.info["embeddings"], decided.shown_BM, self.temperature, self.weight)
        ]


def similarity(
    a_BTD: Tensor, b_BUD: Tensor, a_mask_BT: Tensor, b_mask_BU: Tensor
) -> tuple[Tensor, Tensor]:
    """Cosine of every token of a with every token of b ``[B, T, U]`` (0 where either is masked),
    and its statistics ``[B, 3]``, in float32.
    """
    with torch.autocast(a_BTD.device.type, enabled=False):
        matrix_BTU = functional.normalize(a_BTD.float(), dim=2) @ functional.normalize(
            b_BUD.float(), dim=2
        ).transpose(1, 2)
    both_BTU = a_mask_BT[:, :, None] & b_mask_BU[:, None]
    matrix_BTU = torch.where(both_BTU, matrix_BTU, matrix_BTU.new_zeros(()))
    # less than any cosine: a masked token is never the best
    rivals_BTU = matrix_BTU.masked_fill(~both_BTU, -2.0)
    a_B, b_B = a_mask_BT.sum(1).clamp(min=1), b_mask_BU.sum(1).clamp(min=1)
    by_row_B = (rivals_BTU.amax(2) * a_mask_BT).sum(1) / a_B
    by_column_B = (rivals_BTU.amax(1) * b_mask_BU).sum(1) / b_B
    return matrix_BTU, torch.stack([by_row_B, by_column_B, matrix_BTU.sum((1, 2)) / (a_B * b_B)], 1)
