"""Recurrent networks that compute in float32 on a CPU, whatever the precision of the rest.

oneDNN has recurrent kernels in bfloat16 for processors with AVX-512 BF16 or AMX alone and gives up on the others ("could not create a primitive
descriptor"); a GPU has its own in every precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Steady(nn.RNNBase):
    def forward(self, x_BTD: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Outputs ``[B, T, D]`` in the precision at work, and the last state."""
        if x_BTD.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x_BTD, state)
        with torch.autocast("cpu", enabled=False):
            wide = tuple(part.float() for part in state) if isinstance(state, tuple) else None if state is None else state.float()
            out_BTD, after = super().forward(x_BTD.float(), wide)
        return out_BTD.to(torch.get_autocast_dtype("cpu")), after


class Lstm(_Steady, nn.LSTM):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); arguments and weights are those of ``nn.LSTM``."""


class Gru(_Steady, nn.GRU):
    """Gated recurrent unit (Cho et al. 2014); arguments and weights are those of ``nn.GRU``."""
