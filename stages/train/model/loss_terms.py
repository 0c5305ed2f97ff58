"""What a loss is made of: terms, each a value and a weight for every row.

The loss of a step is the sum over its terms of (sum of value * weight over the global batch) / (sum
of weights, at least 1), so that neither the number of ranks nor that of rows which a term concerns
changes its scale, and a term that concerns no row adds exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from ....schemas.json_value import JsonValue
from .fusion._pool import pooled
from .objectives import Objective
from .objectives.objective import Targets

Term: TypeAlias = tuple[Tensor, Tensor]
Decide: TypeAlias = Callable[[list[Tensor], list[Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class BatchTargets:
    """What the rows of a batch are to be answered with.

    encoded, weight_B: the objective's targets, and 0 for rows that have none. targets: as they were
        read.
    draw_B: a number in [0, 1) for each row that depends on seed, epoch and key alone.
    record_B: a number for each record, by its key. progress: share of the training that is done.
    """

    objective: Objective
    encoded: Tensor
    weight_B: Tensor
    targets: Targets = ()
    draw_B: Tensor | None = None
    progress: float = 0.0
    record_B: Tensor | None = None

    def loss(self, logits_BO: Tensor) -> Tensor:
        """The objective's loss of each row ``[B]``."""
        return self.objective.loss(logits_BO, self.encoded)


@dataclass(frozen=True)
class Decided:
    """What a forward pass has made.

    vector_B*: the fused vector ``[B, D]``, or the logits of a model-level fusion. tokens, masks:
    the encoded parts, as they really are.
    shown_BM: which parts the fusion saw; there_BM: which there are. decide: logits of other tokens,
        masks and presence.
    """

    logits_BO: Tensor
    vector_BD: Tensor
    tokens: list[Tensor]
    masks: list[Tensor]
    shown_BM: Tensor
    there_BM: Tensor
    decide: Decide
    info: Mapping[str, Tensor] = field(default_factory=dict)

    def pooled(self) -> Tensor:
        """The mean token of each part that is there ``[B, M, D]``, zero elsewhere."""
        return pooled(
            self.tokens,
            [mask_BT & self.there_BM[:, place, None] for place, mask_BT in enumerate(self.masks)],
        )


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a loss has to know of the model: number of parts, their width, lengths of the fused
    vector and of the logits.
    """

    parts: int
    width: int
    vector: int
    outputs: int


@runtime_checkable
class Loss(Protocol):
    """Adds terms to the loss: a fusion with an objective of its own, or an auxiliary loss."""

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """Values and weights ``[B]``."""


@runtime_checkable
class FitsTargets(Protocol):
    """The class of a loss that has to know the targets of the training split."""

    def fit(self, targets: Targets, **options: object) -> dict[str, JsonValue]:
        """What it has to know, as plain JSON: its argument ``fitted``."""
