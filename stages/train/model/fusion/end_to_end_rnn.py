"""One recurrent network over all parts at once: at each moment it reads what every part says then.

``h_t = tanh(W_x x_t + W_h h_{t-1} + b)``, ``z = h_T`` (Elman 1990, *Finding Structure in Time*),
x_t the parts' tokens of the same share of their length side by side, a learned filler where a part
is absent. Early fusion; see ``end_to_end_cnn`` for encoders that encode nothing before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import or_prior, resampled_tokens

_MOMENTS = 16


class EndToEndRnnFusion(nn.Module):
    """Sixteen moments. Info: ``states`` ``[B, 16, D]``."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.filler_MD = nn.Parameter(torch.zeros(parts, width))
        self.input = nn.Linear(parts * width, width)
        self.state = nn.Linear(width, width)
        # so that what was read first is not forgotten (Le, Jaitly and Hinton 2015)
        nn.init.orthogonal_(self.state.weight)
        self.dropout = nn.Dropout(dropout)
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]`` and the states."""
        moments = []
        for place, (x_BTD, mask_BT) in enumerate(zip(tokens, masks, strict=True)):
            grid_BLD, here_B = resampled_tokens(
                x_BTD, mask_BT & present_BM[:, place, None], _MOMENTS
            )
            moments.append(
                torch.where(
                    here_B[:, None, None], grid_BLD, self.filler_MD[place].to(grid_BLD.dtype)
                )
            )
        driven_BLD = self.input(self.dropout(torch.cat(moments, 2)))
        states: list[Tensor] = []
        last_BD = torch.zeros_like(driven_BLD[:, 0])
        for driven_BD in driven_BLD.unbind(1):
            last_BD = torch.tanh(driven_BD + self.state(last_BD))
            states.append(last_BD)
        states_BLD = torch.stack(states, 1)
        return or_prior(last_BD, present_BM, self.prior_D), {"states": states_BLD}
