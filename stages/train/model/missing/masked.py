"""Absent parts stay absent: the fusion is told, and does not look at them."""

from __future__ import annotations

from torch import Tensor, nn


class Masked(nn.Module):
    """Changes nothing."""

    def __init__(self, parts: int, width: int) -> None:
        super().__init__()

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor, dict[str, Tensor]]:
        """As it is."""
        return tokens, masks, present_BM, {}
