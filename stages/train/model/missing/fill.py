"""One token in the place of an absent part, taken for the real thing: zeros, the mean of the
training split, or a learned one.

Zeros and the mean are the baselines that every other strategy is compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..fusion._pool import pooled

StoodIn = tuple[list[Tensor], list[Tensor], Tensor, dict[str, Tensor]]


class StandIn(nn.Module):
    """Puts what ``filler`` gives in the place of absent parts, which count as present then.

    learning: whether this pass is one of a training step's own records, which may be remembered;
        record_B: a number for each of them.
    """

    learning = False
    record_B: Tensor | None = None

    def __init__(self, parts: int, width: int) -> None:
        super().__init__()

    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What stands for each part where it is absent ``[B, M, D]``."""
        raise NotImplementedError

    def forward(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> StoodIn:
        """Tokens, masks and presence with the gaps filled."""
        filler_BMD, info = self.filler(tokens, masks, present_BM)
        return *stood_in(tokens, masks, present_BM, filler_BMD), info


def stood_in(
    tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor, filler_BMD: Tensor
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """The filler as the first token of each absent part, in rows where anything is present; and the
    masks and presence that go with it.
    """
    any_B = present_BM.any(1)
    whole, seen = [], []
    for place, (x_BTD, mask_BT) in enumerate(zip(tokens, masks, strict=True)):
        gap_B = any_B & ~present_BM[:, place]
        first_BD = torch.where(gap_B[:, None], filler_BMD[:, place].to(x_BTD.dtype), x_BTD[:, 0])
        whole.append(torch.cat([first_BD[:, None], x_BTD[:, 1:]], 1))
        seen.append(torch.cat([mask_BT[:, :1] | gap_B[:, None], mask_BT[:, 1:]], 1))
    return whole, seen, any_B[:, None].expand_as(present_BM)


class Zero(StandIn):
    """Zeros."""

    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Zeros ``[B, M, D]``."""
        return tokens[0].new_zeros(len(present_BM), len(tokens), tokens[0].shape[2]), {}


class Mean(StandIn):
    """The mean of each part's tokens over all training batches so far, a moving one that follows
    the encoders (momentum 0.99).
    """

    mean_MD: Tensor
    count_M: Tensor

    def __init__(self, parts: int, width: int) -> None:
        super().__init__(parts, width)
        self.register_buffer("mean_MD", torch.zeros(parts, width))
        self.register_buffer("count_M", torch.zeros(parts))

    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean ``[B, M, D]``."""
        if self.learning:
            with torch.no_grad():
                pooled_BMD = pooled(tokens, masks).float() * present_BM[:, :, None]
                here_M = present_BM.sum(0)
                now_MD = pooled_BMD.sum(0) / here_M.clamp(min=1)[:, None]
                share_M1 = torch.where(here_M > 0, 1 / (self.count_M + 1).clamp(max=100), 0.0)[
                    :, None
                ]
                self.mean_MD.add_(share_M1 * (now_MD - self.mean_MD))
                self.count_M.add_(here_M > 0)
        # a copy, since later batches move the mean in place
        return self.mean_MD.expand(len(present_BM), -1, -1).clone(), {}


class LearnedToken(StandIn):
    """A learned token for each part."""

    def __init__(self, parts: int, width: int) -> None:
        super().__init__(parts, width)
        self.filler_MD = nn.Parameter(torch.randn(parts, width) * 0.02)

    def filler(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The learned tokens ``[B, M, D]``."""
        return self.filler_MD.expand(len(present_BM), -1, -1), {}
