"""Fusions: the tokens of all parts to one vector, whatever is present.

Each takes, part by part, tokens ``[B, T_m, D]`` and their mask ``[B, T_m]``, and presence ``[B, M]``; it gives ``[B, D]`` and what can be looked at
(weights, gates). Absent parts have no influence on the result; with nothing present the result is a learned prior.
``methods.FUSIONS`` has them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..methods import FUSIONS


def make_fusion(word: str, parts: int, width: int, dropout: float, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The fusion of that name, with options of its own."""
    made: nn.Module = FUSIONS[word].load()(parts, width, dropout, **(options or {}))
    return made


__all__ = ["make_fusion"]
