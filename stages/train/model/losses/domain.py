"""Domain-adversarial training (Ganin et al. 2016, DANN): features from which nobody can tell the
domain.

A classifier learns the domain from the features; its gradient is turned round on its way into them,
times ``lambda(p) = 2 / (1 + e^(-10 p)) - 1`` at the share p of the training. Rows of another domain
need no answer: they are trained on for this alone. Without ``field`` the domain is the part, and
the features become such that parts cannot be told apart. Articles speak of "Adversarial Feature
Learning for Unsupervised Domain Adaptation" (AFE); it is this, where ``field`` names the domain.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Protocol, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from .....schemas.errors import InputError
from ..fusion._pool import row_mean
from ..loss_terms import BatchTargets, Decided, Sizes, Term
from ..objectives.objective import Targets


class _Kept(Protocol):
    """What the way back knows of the way there."""

    factor: float


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Kept, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: _Kept, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradient, None


def reversed_gradient(x: Tensor, factor: float) -> Tensor:
    """``x`` itself; its gradient comes back times ``-factor``."""
    # torch leaves it untyped
    same: Tensor = _Reverse.apply(x, factor)  # type: ignore[no-untyped-call]
    return same


def strength(progress: float) -> float:
    """``2 / (1 + e^(-10 p)) - 1``."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


class Domains(TypedDict, total=False):
    """The domains, where a target names them."""

    domains: list[str]


class Domain(nn.Module):
    """field: a target that names the domain of a row; rows without it have no part in this. weight:
    beside the task's loss.
    """

    def __init__(
        self,
        sizes: Sizes,
        field: str = "",
        weight: float = 0.1,
        fitted: Domains | None = None,
    ) -> None:
        super().__init__()
        self.field, self.weight = field, weight
        self.domains: list[str] = fitted["domains"] if fitted else []
        inputs, outputs = (sizes.vector, len(self.domains)) if field else (sizes.width, sizes.parts)
        self.classifier = nn.Sequential(
            nn.Linear(inputs, sizes.width), nn.GELU(), nn.Linear(sizes.width, outputs)
        )

    @staticmethod
    def fit(targets: Targets, field: str = "", weight: float = 0.1) -> Domains:
        """The domains of the training split; InputError where there are not two."""
        if not field:
            return {}
        counts = Counter(str(target[field]) for target in targets if field in target)
        if len(counts) < 2:
            raise InputError(
                f"train.losses: domain: wanted a target with two values or more, and {field!r}"
                f" has {len(counts)}"
            )
        return {"domains": sorted(counts)}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The classifier's cross-entropy."""
        factor = strength(task.progress)
        if not self.field:
            pooled_BMD = decided.pooled()
            logits_BMC = self.classifier(reversed_gradient(pooled_BMD, factor)).float()
            wanted_BM = torch.arange(pooled_BMD.shape[1], device=pooled_BMD.device).expand(
                len(pooled_BMD), -1
            )
            loss_BM = functional.cross_entropy(
                logits_BMC.flatten(0, 1), wanted_BM.flatten(), reduction="none"
            ).view_as(wanted_BM)
            value_B, weight_B = row_mean(loss_BM, decided.there_BM)
            return [(self.weight * value_B, weight_B)]
        numbers = {name: number for number, name in enumerate(self.domains)}
        wanted = [
            numbers.get(str(target[self.field]), -1) if self.field in target else -1
            for target in task.targets
        ]
        wanted_B = torch.tensor(wanted, device=decided.vector_BD.device)
        logits_BC = self.classifier(reversed_gradient(decided.vector_BD, factor)).float()
        return [
            (
                self.weight
                * functional.cross_entropy(logits_BC, wanted_B.clamp(min=0), reduction="none"),
                (wanted_B >= 0).float(),
            )
        ]
