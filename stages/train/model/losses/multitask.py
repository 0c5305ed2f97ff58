"""Another target from the same trunk, the two losses weighted by their uncertainty: ``sum_k
e^(-s_k) L_k + s_k``, s_k learned (Kendall et al. 2018).

The best s_k is ln L_k. Rows without one of the targets have no part in its term.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .....schemas.json_value import JsonValue
from ..loss_terms import BatchTargets, Decided, Sizes, Term
from ..objectives import fit_target, load_objective
from ..objectives.objective import Targets


class MultiTask(nn.Module):
    """target, task: what else is asked, and how (``classification``, ``regression``, ``vqa``)."""

    def __init__(
        self,
        sizes: Sizes,
        target: str = "",
        task: str = "classification",
        fitted: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__()
        self.objective = load_objective(task, fitted or {})
        self.head = nn.Sequential(
            nn.Linear(sizes.vector, sizes.width),
            nn.GELU(),
            nn.Linear(sizes.width, self.objective.outputs),
        )
        self.log_variance_2 = nn.Parameter(torch.zeros(2))

    @staticmethod
    def fit(
        targets: Targets, target: str = "", task: str = "classification"
    ) -> dict[str, JsonValue]:
        """The objective of the other target, fitted on the training split."""
        return fit_target("train.losses: multitask", task, target, targets).state()

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The other target's term, and what the first one's becomes by its weight (beside the term
        that is there already).
        """
        encoded, weight_B = self._wanted(task)
        device = decided.vector_BD.device
        own_B = self.objective.loss(self.head(decided.vector_BD), encoded.to(device))
        first, second = self.log_variance_2.unbind()
        return [
            ((-second).exp() * own_B + second, weight_B.to(device)),
            (((-first).exp() - 1) * task.loss(decided.logits_BO) + first, task.weight_B),
        ]

    # targets as they were read are no part of a graph
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _wanted(self, task: BatchTargets) -> tuple[Tensor, Tensor]:
        return self.objective.encode(task.targets)
