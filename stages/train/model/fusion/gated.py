"""A gate a part, chosen by what is there: ``z = sum_S g_m tanh(W_m h_m)``, ``g = softmax_S(MLP[h;
p])``.

The gated multimodal unit (Arevalo et al. 2017, *Gated Multimodal Units for Information Fusion*) for
any number of parts. With ``hard`` each record uses one part alone, chosen by a straight-through
Gumbel softmax (Jang et al. 2017), and ``cost`` is what using a part costs, as in dynamic multimodal
fusion (Xue and Marculescu 2023). Articles call such networks "dynamic fusion" (DFN).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._pool import weigh
from ._pooled import PooledFusion

if TYPE_CHECKING:
    from ..loss_terms import BatchTargets, Decided, Term

_FIRST_TEMPERATURE, _LAST_TEMPERATURE = 1.0, 0.001


class GatedFusion(PooledFusion):
    """Info: ``weights`` ``[B, M]``, the gates; exactly 0 for absent parts. costs: of each part,
    equal where they are not given.
    """

    temperature: Tensor
    cost_M: Tensor

    def __init__(
        self,
        parts: int,
        width: int,
        dropout: float,
        hard: bool = False,
        cost: float = 0.0,
        costs: Sequence[float] = (),
    ) -> None:
        super().__init__(parts, width, dropout)
        self.hard, self.cost = hard, cost
        self.register_buffer(
            "cost_M",
            torch.tensor([float(part_cost) for part_cost in costs]) if costs else torch.ones(parts),
            persistent=False,
        )
        self.register_buffer("temperature", torch.tensor(_FIRST_TEMPERATURE))
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))
        self.gate = nn.Sequential(
            nn.Linear(parts * width + parts, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, parts),
        )

    def combine(self, pooled_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The gated sum."""
        here_BMD = pooled_BMD * present_BM[:, :, None]
        scores_BM = self.gate(torch.cat([here_BMD.flatten(1), present_BM.to(here_BMD.dtype)], 1))
        values_BMD = torch.stack(
            [value(here_BMD[:, place]) for place, value in enumerate(self.values)], 1
        ).tanh()
        if self.hard:
            scores_BM = scores_BM.float()
            if self.training:
                # minus the logarithm of an exponential draw is a Gumbel draw; no logarithm of 0
                noise_BM = torch.empty_like(scores_BM).exponential_().clamp(min=1e-10).log().neg()
                scores_BM = (scores_BM + noise_BM) / self.temperature
        fused_BD, weight_BM = weigh(values_BMD, scores_BM, present_BM)
        if self.hard:
            one_BM = functional.one_hot(weight_BM.argmax(1), weight_BM.shape[1]) * present_BM
            # the choice, with the gradient of the softmax
            weight_BM = one_BM + weight_BM - weight_BM.detach()
            fused_BD = (values_BMD * weight_BM[:, :, None].to(values_BMD.dtype)).sum(1)
        return fused_BD, {"weights": weight_BM}

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """What the parts that were used cost; the temperature falls as the training goes on."""
        self.temperature.fill_(
            _FIRST_TEMPERATURE * (_LAST_TEMPERATURE / _FIRST_TEMPERATURE) ** task.progress
        )
        if not self.cost:
            return []
        return [
            (
                self.cost * (decided.info["weights"] * self.cost_M).sum(1),
                decided.shown_BM.any(1).float(),
            )
        ]
