"""How logits become an answer and back: by ``softmax``, ``sigmoid``, or as they are (``identity``)."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-7


def answer_of(logits: Tensor, link: str) -> Tensor:
    """Probabilities over the last dimension ``float32``, or the number itself."""
    logits = logits.float()
    return logits.softmax(-1) if link == "softmax" else logits.sigmoid() if link == "sigmoid" else logits


def logits_of(answer: Tensor, link: str) -> Tensor:
    """Logits that say so; probabilities below 1e-7 count as that."""
    if link == "identity":
        return answer
    clipped = answer.clamp(_LEAST, 1 - _LEAST)
    return clipped.log() if link == "softmax" else torch.logit(clipped)
