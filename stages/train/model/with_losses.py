"""One step: a forward pass with everything that adds to the loss, in one module, so that one graph
serves training on one device and on many.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...stream import FusionBatch
from .loss_terms import BatchTargets, Decided, Loss, Term
from .missing.fill import StandIn
from .model import FusionModel

_PRIOR = 0.02


class WithLosses(nn.Module):
    """The model and its auxiliary losses."""

    def __init__(self, model: FusionModel, losses: nn.ModuleDict) -> None:
        super().__init__()
        self.model, self.losses = model, losses
        self._with_terms: list[Loss] = [
            module
            for module in (model.fusion, model.missing, *losses.values())
            if isinstance(module, Loss)
        ]

    def forward(self, batch: FusionBatch, shown_BM: Tensor, task: BatchTargets) -> Tensor:
        """Sum and weight of each term of the loss ``[K, 2]``, the task's own first."""
        tokens, masks = self.model.encode(batch)
        fill = self.model.missing if isinstance(self.model.missing, StandIn) else None
        if fill is not None:  # once a step: what losses try out later is not to be remembered
            fill.learning, fill.record_B = self.training, task.record_B
        decided = self.model.decided(tokens, masks, shown_BM, batch.present_BM)
        if fill is not None:
            fill.learning = False
        terms: list[Term] = [
            (task.loss(decided.logits_BO), task.weight_B),
            self._prior(decided, task),
        ]
        for module in self._with_terms:
            terms += module.terms(decided, task)
        return torch.stack(
            [
                torch.stack([_sum(value_B, weight_B), weight_B.float().sum()])
                for value_B, weight_B in terms
            ]
        )

    def _prior(self, decided: Decided, task: BatchTargets) -> Term:
        """What is answered where nothing is there is learned beside: modality dropout never hides
        all of a record.
        """
        # one row stands for all: where nothing is shown, all get the same answer
        first_row = [tensor[:1] for tensor in (*decided.tokens, *decided.masks)]
        parts = len(decided.tokens)
        logits_1O = self.model.decide(
            first_row[:parts], first_row[parts:], torch.zeros_like(decided.shown_BM[:1])
        )
        return _PRIOR * task.loss(logits_1O.expand(len(decided.shown_BM), -1)), task.weight_B


def total(sums_K2: Tensor) -> Tensor:
    """The loss: each term's sum over the global batch by its weight there, at least 1."""
    return (sums_K2[:, 0] / sums_K2[:, 1].detach().clamp(min=1)).sum()


def _sum(value_B: Tensor, weight_B: Tensor) -> Tensor:
    """The weighted sum; what a row without weight holds does not matter, not even NaN."""
    return torch.where(
        weight_B > 0, value_B.float() * weight_B, value_B.new_zeros((), dtype=torch.float32)
    ).sum()
