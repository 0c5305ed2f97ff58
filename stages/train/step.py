"""One step: a forward pass with everything that adds to the loss, in one module, so that one graph serves training on one device and on many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..stream import FusionBatch
from .model import FusionModel
from .terms import Task, Term


class Step(nn.Module):
    """The model and its auxiliary losses."""

    def __init__(self, model: FusionModel, losses: nn.ModuleDict) -> None:
        super().__init__()
        self.model, self.losses = model, losses
        self._with_terms = [some for some in (model.fusion, model.missing) if hasattr(some, "terms")] + list(losses.values())

    def forward(self, batch: FusionBatch, shown_BM: Tensor, task: Task) -> Tensor:
        """Sum and weight of each term of the loss ``[K, 2]``, the task's own first."""
        tokens, masks = self.model.encode(batch)
        decided = self.model.decided(tokens, masks, shown_BM, batch.present_BM)
        terms: list[Term] = [(task.loss(decided.logits_BO), task.weight_B)]
        for some in self._with_terms:
            terms += some.terms(decided, task)  # type: ignore[operator]  # a Loss
        return torch.stack([torch.stack([_sum(value_B, weight_B), weight_B.float().sum()]) for value_B, weight_B in terms])


def total(sums_K2: Tensor) -> Tensor:
    """The loss: each term's sum over the global batch by its weight there, at least 1."""
    return (sums_K2[:, 0] / sums_K2[:, 1].detach().clamp(min=1)).sum()


def _sum(value_B: Tensor, weight_B: Tensor) -> Tensor:
    """The weighted sum; what a row without weight holds does not matter, not even NaN."""
    return torch.where(weight_B > 0, value_B.float() * weight_B, value_B.new_zeros((), dtype=torch.float32)).sum()
