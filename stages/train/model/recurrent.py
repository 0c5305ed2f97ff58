"""Recurrent networks that compute in float32 on a CPU, whatever the precision of the rest.

oneDNN has recurrent kernels in bfloat16 for processors with AVX-512 BF16 or AMX alone and gives up
on the others ("could not create a primitive descriptor"); a GPU has its own in every precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Lstm(nn.LSTM):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); arguments and weights are those of
    ``nn.LSTM``.
    """

    # no packed sequences
    def forward(self, x_BTD: Tensor, state: Any = None) -> tuple[Tensor, Any]:  # type: ignore[override]
        """Outputs ``[B, T, D]`` in the precision at work, and the last state."""
        return _steady(super().forward, x_BTD, state)


class Gru(nn.GRU):
    """Gated recurrent unit (Cho et al. 2014); arguments and weights are those of ``nn.GRU``."""

    # no packed sequences
    def forward(self, x_BTD: Tensor, state: Any = None) -> tuple[Tensor, Any]:  # type: ignore[override]
        """Outputs ``[B, T, D]`` in the precision at work, and the last state."""
        return _steady(super().forward, x_BTD, state)


def _steady(
    forward: Callable[[Tensor, Any], tuple[Tensor, Any]], x_BTD: Tensor, state: Any
) -> tuple[Tensor, Any]:
    if x_BTD.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return forward(x_BTD, state)
    wide = (
        tuple(part.float() for part in state)
        if isinstance(state, tuple)
        else state
        if state is None
        else state.float()
    )
    with torch.autocast("cpu", enabled=False):
        out_BTD, after = forward(x_BTD.float(), wide)
    return out_BTD.to(torch.get_autocast_dtype("cpu")), after
