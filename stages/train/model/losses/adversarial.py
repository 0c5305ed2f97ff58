"""Adversarial training on tokens: the answer is to hold when the tokens of the parts that are there
move by ``eps`` against it.

One step is the fast gradient sign method (Goodfellow et al. 2015); several, of size 2.5 eps / steps
and kept within eps, are projected gradient descent (Madry et al. 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..loss_terms import BatchTargets, Decided, Sizes, Term


class Adversarial(nn.Module):
    """eps: the largest change of a feature of a token; tokens are normalised over their layer, so a
    feature's scale is 1. steps: see above.

    weight: beside the task's loss.
    """

    def __init__(self, sizes: Sizes, weight: float = 0.5, eps: float = 0.1, steps: int = 1) -> None:
        super().__init__()
        self.weight, self.eps, self.steps = weight, eps, steps

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The loss at the worst place that was found."""
        moves = self.worst(decided, task)
        moved = [x_BTD + move_BTD for x_BTD, move_BTD in zip(decided.tokens, moves, strict=True)]
        return [
            (
                self.weight * task.loss(decided.decide(moved, decided.masks, decided.shown_BM)),
                task.weight_B,
            )
        ]

    def worst(self, decided: Decided, task: BatchTargets) -> list[Tensor]:
        """How each part's tokens move."""
        moves = [torch.zeros_like(x_BTD) for x_BTD in decided.tokens]
        size = self.eps if self.steps == 1 else 2.5 * self.eps / self.steps
        for _ in range(self.steps):
            moved = [
                (x_BTD.detach() + move_BTD).requires_grad_()
                for x_BTD, move_BTD in zip(decided.tokens, moves, strict=True)
            ]
            with torch.enable_grad():
                loss = (
                    task.loss(decided.decide(moved, decided.masks, decided.shown_BM))
                    * task.weight_B
                ).sum()
                # not backward, which would add to the weights' own gradients
                gradients = torch.autograd.grad(loss, moved, allow_unused=True)
            moves = [
                move_BTD
                if gradient is None
                else (move_BTD + size * gradient.sign()).clamp(-self.eps, self.eps)
                for move_BTD, gradient in zip(moves, gradients, strict=True)
            ]
        return moves
