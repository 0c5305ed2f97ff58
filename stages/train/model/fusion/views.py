"""Views of one thing: the element-wise largest over the parts, place by place, then a second
convolutional network.

Su et al. 2015, *Multi-view Convolutional Neural Networks* (MVCNN). There every view goes through
the same first network: let the inputs share theirs with ``same_as``. Parts of other lengths are
brought to a grid of 16 places first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import or_prior, resampled_tokens

_PLACES = 16


class ViewsFusion(nn.Module):
    """The order of the views does not matter, and neither does a view that is there twice."""

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.second = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.prior_D = nn.Parameter(torch.zeros(width))

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``; info ``views`` ``[B, 16, D]``, the pooled view."""
        views, here = [], []
        for place, (x_BTD, mask_BT) in enumerate(zip(tokens, masks, strict=True)):
            grid_BLD, here_B = resampled_tokens(
                x_BTD, mask_BT & present_BM[:, place, None], _PLACES
            )
            views.append(
                grid_BLD.masked_fill(~here_B[:, None, None], torch.finfo(grid_BLD.dtype).min)
            )
            here.append(here_B)
        largest_BLD = torch.stack(views).amax(0)
        # A part may be present and have no token, a text of no word: then there is no view either.
        largest_BLD = torch.where(
            torch.stack(here).any(0)[:, None, None], largest_BLD, largest_BLD.new_zeros(())
        )
        fused_BD = self.second(largest_BLD.transpose(1, 2)).mean(2)
        return or_prior(fused_BD, present_BM, self.prior_D), {"views": largest_BLD}
