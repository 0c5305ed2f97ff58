"""Recurrent networks that compute in float32 on a CPU, whatever the precision of the rest.

oneDNN has recurrent kernels in bfloat16 for processors with AVX-512 BF16 or AMX alone and gives up
on the others ("could not create a primitive descriptor"); a GPU has its own in every precision.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Lstm(nn.LSTM):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); arguments and weights are those of
    ``nn.LSTM``.
    """

    # no packed sequences
    def forward(  # type: ignore[override]
        self, x_BTD: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs ``[B, T, D]`` in the precision at work, and the last state."""
        if _has_kernels(x_BTD):
            return super().forward(x_BTD, state)
        wide = None if state is None else (state[0].float(), state[1].float())
        with torch.autocast("cpu", enabled=False):
            out_BTD, after = super().forward(x_BTD.float(), wide)
        return out_BTD.to(torch.get_autocast_dtype("cpu")), after


class Gru(nn.GRU):
    """Gated recurrent unit (Cho et al. 2014); arguments and weights are those of ``nn.GRU``."""

    # no packed sequences
    def forward(  # type: ignore[override]
        self, x_BTD: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs ``[B, T, D]`` in the precision at work, and the last state."""
        if _has_kernels(x_BTD):
            return super().forward(x_BTD, state)
        wide = None if state is None else state.float()
        with torch.autocast("cpu", enabled=False):
            out_BTD, after = super().forward(x_BTD.float(), wide)
        return out_BTD.to(torch.get_autocast_dtype("cpu")), after


def both_ways(forth: Lstm | Gru, back: Lstm | Gru, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """What one network says from the first place on, and another from each row's last real place
    back, side by side; ``mask_BT`` keeps the first places of a row, and no more padding behind them
    changes anything.
    """
    # reverse the first `length` places of each row and leave the rest
    place_T = torch.arange(x_BTD.shape[1], device=x_BTD.device)
    turned_BT = torch.where(mask_BT, mask_BT.sum(1, keepdim=True) - 1 - place_T, place_T)
    back_BTD = x_BTD.gather(1, turned_BT[:, :, None].expand_as(x_BTD))
    forth_BTD, _ = forth(x_BTD)
    turned_back_BTD, _ = back(back_BTD)
    index_BTD = turned_BT[:, :, None].expand_as(turned_back_BTD)
    return torch.cat([forth_BTD, turned_back_BTD.gather(1, index_BTD)], dim=2)


def _has_kernels(x_BTD: Tensor) -> bool:
    """Whether this device computes it in the precision at work."""
    return x_BTD.device.type != "cpu" or not torch.is_autocast_enabled("cpu")
