"""Stacked models: a second model learns from what the parts' models answer on rows that they were
not trained on.

Wolpert 1992, *Stacked Generalization*. The rows are those of the validation split (split by group,
so nothing of them was seen): the hold-out form, also called blending. On rows that the models did
learn from, the second model would only learn how well they remember.

    z = b + sum_S (a_m + sum_{n in S} A_mn) l_m + c_m

where l_m are the log-probabilities of part m's model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ._late import LateFusion

_STEPS = 60
_L2 = 1e-3


class StackingFusion(LateFusion):
    """The second model is fitted, not trained by steps: before it, the answers are averaged. Info:
    ``logits_BMO`` of each part alone.
    """

    own_M: Tensor
    pair_MM: Tensor
    shift_MO: Tensor
    bias_O: Tensor

    def __init__(self, parts: int, width: int, dropout: float, outputs: int, link: str) -> None:
        super().__init__(parts, width, dropout, outputs, link)
        self.register_buffer("own_M", torch.full((parts,), 1 / parts))
        self.register_buffer("pair_MM", torch.zeros(parts, parts))
        self.register_buffer("shift_MO", torch.zeros(parts, outputs))
        self.register_buffer("bias_O", torch.zeros(outputs))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``[B, O]``."""
        logits_BMO = self.answers(tokens, masks)
        joined_BO = stacked(
            self._levels(logits_BMO.detach()),
            present_BM,
            self.own_M,
            self.pair_MM,
            self.shift_MO,
            self.bias_O,
        )
        return torch.where(present_BM.any(1, keepdim=True), joined_BO, self.prior_O), {
            "logits_BMO": logits_BMO
        }

    def fit(self, logits_NMO: Tensor, present_NM: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Fit the second model to rows that the parts' models were not trained on; ``loss``: logits
        ``[N, O]`` to the loss of each row.
        """
        rows = present_NM.any(1)
        if not rows.any():
            return
        levels_NMO = self._levels(logits_NMO.detach())
        values = [
            torch.zeros_like(buffer).requires_grad_()
            for buffer in (self.own_M, self.pair_MM, self.shift_MO, self.bias_O)
        ]
        with torch.no_grad():
            values[0].fill_(1 / len(self.own_M))
        optimiser = torch.optim.LBFGS(values, max_iter=_STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            with torch.enable_grad():
                # where answers separate the rows, only a penalty keeps the weights finite
                total: Tensor = loss(stacked(levels_NMO, present_NM, *values))[
                    rows
                ].mean() + _L2 * sum(parameter.square().sum() for parameter in values)
                total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return total

        optimiser.step(closure)  # type: ignore[no-untyped-call]  # the same
        with torch.no_grad():
            for kept, value in zip(
                (self.own_M, self.pair_MM, self.shift_MO, self.bias_O), values, strict=True
            ):
                if torch.isfinite(value).all():
                    kept.copy_(value)

    def _levels(self, logits_BMO: Tensor) -> Tensor:
        return logits_BMO.log_softmax(-1) if self.link == "softmax" else logits_BMO


def stacked(
    levels_BMO: Tensor,
    present_BM: Tensor,
    own_M: Tensor,
    pair_MM: Tensor,
    shift_MO: Tensor,
    bias_O: Tensor,
) -> Tensor:
    """The second model's logits ``[B, O]``."""
    here_BM = present_BM.to(levels_BMO.dtype)
    weight_BM = (own_M + here_BM @ pair_MM.T) * here_BM
    return bias_O + torch.einsum("bm,bmo->bo", weight_BM, levels_BMO) + here_BM @ shift_MO
