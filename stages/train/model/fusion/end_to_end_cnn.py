"""One convolutional network over all parts at once: each is brought to one grid, the parts are its
channels.

Early fusion. With the encoders ``patches`` (images, videos), ``embedding`` (texts) and ``frames``
(sound) nothing is encoded before. An absent part's channels hold a learned filler.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import or_prior, resampled_tokens

_PLACES = 16


class EndToEndCnnFusion(nn.Module):
    """Three convolutions of width 3 over 16 places, then their mean."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.filler_MD = nn.Parameter(torch.zeros(parts, width))
        self.layers = nn.Sequential(
            nn.Conv1d(parts * width, width, 3, padding=1),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
        )
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``; info ``map`` ``[B, D, 8]``, the last feature map."""
        channels = []
        for place, (x_BTD, mask_BT) in enumerate(zip(tokens, masks, strict=True)):
            grid_BLD, here_B = resampled_tokens(
                x_BTD, mask_BT & present_BM[:, place, None], _PLACES
            )
            channels.append(
                torch.where(
                    here_B[:, None, None], grid_BLD, self.filler_MD[place].to(grid_BLD.dtype)
                )
            )
        map_BDL = self.layers(torch.cat(channels, 2).transpose(1, 2))
        return or_prior(map_BDL.mean(2), present_BM, self.prior_D), {"map": map_BDL}
