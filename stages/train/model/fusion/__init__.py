"""Fusions: the tokens of all parts to one vector, or to one answer, whatever is present.

Each takes, part by part, tokens ``[B, T_m, D]`` and their mask ``[B, T_m]``, and presence ``[B,
M]``; it gives ``[B, D]`` (model-level fusions: logits ``[B, O]``) and what can be looked at
(weights, gates). Absent parts have no influence on the result; with nothing present the result is a
learned prior. A fusion with an objective of its own has ``terms`` as well.
"""

from __future__ import annotations

from torch import nn

from ...methods.card import Choice, split_choice
from ...methods.fusions import FUSIONS


def make_fusion(
    choice: Choice, parts: int, width: int, dropout: float, outputs: int = 2, link: str = "softmax"
) -> nn.Module:
    """The fusion of that choice; ``outputs`` and ``link`` are what model-level fusions have to know
    of the task.
    """
    word, options = split_choice(choice)
    card = FUSIONS[word]
    fusion: nn.Module = card.load()(
        parts, width, dropout, *((outputs, link) if card.is_late else ()), **options
    )
    return fusion


__all__ = ["make_fusion"]
