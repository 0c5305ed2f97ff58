"""The frame of model-level fusions: one small model a part answers by itself, and its answers are
joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ._pool import pooled

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term


class LateFusion(nn.Module):
    """``prior_O`` are the logits where nothing is present. link: how logits become an answer:
    ``softmax``, ``sigmoid`` or ``identity``.
    """

    def __init__(self, parts: int, width: int, dropout: float, outputs: int, link: str) -> None:
        super().__init__()
        self.link = link
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs)
            )
            for _ in range(parts)
        )
        self.prior_O = nn.Parameter(torch.zeros(outputs))

    @torch.no_grad()
    def start_from(self, prior_O: Tensor) -> None:
        """Let the untrained model answer with the prior."""
        self.prior_O.copy_(prior_O)
        for expert in self.experts:
            assert isinstance(expert, nn.Sequential)
            last = expert[-1]
            assert isinstance(last, nn.Linear)
            last.weight.mul_(0.1)
            last.bias.zero_()

    def answers(self, tokens: list[Tensor], masks: list[Tensor]) -> Tensor:
        """Logits of each part by itself ``float32 [B, M, O]``: the prior, and what the part adds to
        it.
        """
        pooled_BMD = pooled(tokens, masks)
        own_BMO = torch.stack(
            [expert(pooled_BMD[:, place]) for place, expert in enumerate(self.experts)], 1
        )
        return own_BMO.float() + self.prior_O

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Each part's own model learns to answer alone, from every row that has the part."""
        logits_BMO = decided.info["logits_BMO"]
        return [
            (task.loss(logits_BMO[:, place]), task.weight_B * decided.shown_BM[:, place])
            for place in range(logits_BMO.shape[1])
        ]
