"""Fusions: the tokens of all parts to one vector, whatever is present.

Each takes, part by part, tokens ``[B, T_m, D]`` and their mask ``[B, T_m]``, and presence ``[B, M]``; it gives ``[B, D]`` and what can be looked at
(weights, gates). Absent parts have no influence on the result; with nothing present the result is a learned prior.
"""

from __future__ import annotations

from torch import Tensor, nn

from .attention import AttentionFusion
from .concat import ConcatFusion
from .weighted import WeightedFusion

Fused = tuple[Tensor, dict[str, Tensor]]


def make_fusion(word: str, parts: int, width: int, dropout: float) -> nn.Module:
    """The fusion of that name."""
    return {"concat": ConcatFusion, "weighted": WeightedFusion, "attention": AttentionFusion}[word](parts, width, dropout)


__all__ = ["AttentionFusion", "ConcatFusion", "WeightedFusion", "make_fusion"]
