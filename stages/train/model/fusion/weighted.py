"""Weighted average of the present parts: ``z = sum_S w_m h_m / sum_S w_m``.

The weights are learned (``w = softmax(s)``), given, or tried on validation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ._pooled import PooledFusion


class WeightedFusion(PooledFusion):
    """One weight a part; with ``weights`` they stay as given, with ``grid`` they are multiples of 1
    / grid, the best on the validation split after each epoch. One present part gives exactly that
    part. Info: ``weights`` ``[B, M]``.
    """

    def __init__(
        self, parts: int, width: int, dropout: float, weights: Sequence[float] = (), grid: int = 0
    ) -> None:
        super().__init__(parts, width, dropout)
        self.grid = grid
        score_M = (
            torch.tensor([float(weight) for weight in weights]).log()
            if weights
            else torch.zeros(parts)
        )
        self.score_M = nn.Parameter(score_M, requires_grad=not weights and not grid)

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted average."""
        weight_BM = self.score_M.softmax(0) * present_BM
        weight_BM = weight_BM / weight_BM.sum(1, keepdim=True).clamp(min=1e-9)
        return (pooled_BMD * weight_BM[:, :, None].to(pooled_BMD.dtype)).sum(1), {
            "weights": weight_BM
        }

    @torch.no_grad()
    def choose(self, loss: Callable[[], float]) -> None:
        """Take the weights of the grid with the smallest loss; each part keeps at least one step,
        so that none is lost where it is alone.
        """
        parts = len(self.score_M)
        steps = max(self.grid, parts)
        best = (float("inf"), self.score_M.clone())
        for cuts in itertools.combinations(range(1, steps), parts - 1):
            sizes = [high - low for low, high in itertools.pairwise((0, *cuts, steps))]
            # the softmax of logarithms of shares gives these shares
            self.score_M.copy_(torch.tensor(sizes, dtype=torch.float32).log())
            best = min(best, (loss(), self.score_M.clone()), key=lambda trial: trial[0])
        self.score_M.copy_(best[1])
