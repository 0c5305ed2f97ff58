"""Joint loss: each part answers alone as well, ``L = l(fused) + w sum_m l(part m)``, so that none
is left unlearned beside a stronger one.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..loss_terms import BatchTargets, Decided, Sizes, Term


class Joint(nn.Module):
    """A head a part. weight: ``w``."""

    def __init__(self, sizes: Sizes, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = weight
        self.heads = part_heads(sizes)

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The task's loss of each part alone, from the rows that have it."""
        return [
            (self.weight * task.loss(logits_BO), task.weight_B * decided.there_BM[:, place])
            for place, logits_BO in enumerate(part_answers(self.heads, decided))
        ]


def part_heads(sizes: Sizes) -> nn.ModuleList:
    """A small head for each part by itself."""
    width, outputs = sizes.width, sizes.outputs
    return nn.ModuleList(
        nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))
        for _ in range(sizes.parts)
    )


def part_answers(heads: nn.ModuleList, decided: Decided) -> list[Tensor]:
    """Logits ``[B, O]`` of each part by itself."""
    pooled_BMD = decided.pooled()
    return [head(pooled_BMD[:, place]) for place, head in enumerate(heads)]
