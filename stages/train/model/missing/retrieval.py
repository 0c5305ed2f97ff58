"""An absent part is borrowed from the training records that are most alike in the parts that are
there.

The memory holds the pooled parts of the latest training rows. Alikeness is the mean cosine over the
parts that both rows have.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..fusion._pool import pooled
from .fill import StandIn

_SHARPNESS = 10.0


class Retrieval(StandIn):
    """neighbours: how many records are borrowed from, weighted by alikeness. memory: how many are
    kept.
    """

    memory_NMD: Tensor
    known_NM: Tensor
    record_N: Tensor
    written: Tensor

    def __init__(self, parts: int, width: int, neighbours: int = 5, memory: int = 4096) -> None:
        super().__init__(parts, width)
        self.neighbours = neighbours
        self.register_buffer("memory_NMD", torch.zeros(memory, parts, width))
        self.register_buffer("known_NM", torch.zeros(memory, parts, dtype=torch.bool))
        self.register_buffer("record_N", torch.full((memory,), -1))
        self.register_buffer("written", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The neighbours' mean ``[B, M, D]``; zero where no record in the memory has the part."""
        pooled_BMD = pooled(tokens, masks).float() * present_BM[:, :, None]
        memory_NMD, known_NM = self.memory_NMD.clone(), self.known_NM.clone()
        cosines_BN = (
            functional.normalize(pooled_BMD, dim=2).flatten(1)
            @ functional.normalize(memory_NMD, dim=2).flatten(1).T
        )
        # absent parts are zeros, and add nothing to the sum of cosines
        both_BN = present_BM.float() @ known_NM.float().T
        if self.learning and self.record_B is not None:  # nobody borrows from himself
            both_BN = both_BN.masked_fill(self.record_B[:, None] == self.record_N.clone()[None], 0)
        alike_BN = torch.where(
            both_BN > 0, cosines_BN / both_BN.clamp(min=1), -torch.ones_like(cosines_BN)
        )
        borrowed = []
        for place in range(present_BM.shape[1]):
            scores_BN = alike_BN.masked_fill(
                ~known_NM[None, :, place] | (both_BN == 0), float("-inf")
            )
            best_BK, rows_BK = scores_BN.topk(min(self.neighbours, len(memory_NMD)), dim=1)
            # -inf where fewer records than asked for have the part
            weight_BK = torch.where(
                torch.isfinite(best_BK), (_SHARPNESS * best_BK).exp(), torch.zeros_like(best_BK)
            )
            mean_BD = torch.einsum(
                "bk,bkd->bd", weight_BK, memory_NMD[rows_BK, place]
            ) / weight_BK.sum(1, keepdim=True).clamp(min=1e-9)
            borrowed.append(mean_BD)
        if self.learning:
            self._remember(pooled_BMD, present_BM)
        return torch.stack(borrowed, 1), {}

    def _remember(self, pooled_BMD: Tensor, present_BM: Tensor) -> None:
        size = len(self.memory_NMD)
        places_B = (self.written + torch.arange(len(pooled_BMD), device=pooled_BMD.device)) % size
        self.memory_NMD[places_B] = pooled_BMD
        self.known_NM[places_B] = present_BM
        self.record_N[places_B] = -1 if self.record_B is None else self.record_B
        self.written.add_(len(pooled_BMD))
