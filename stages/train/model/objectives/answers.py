"""How logits become an answer and back: by ``softmax``, ``sigmoid``, or as they are (``identity``);
and what answers that are classes share.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .objective import Objective

_LEAST = 1e-7


def answer_of(logits: Tensor, link: str) -> Tensor:
    """Probabilities over the last dimension ``float32``, or the number itself."""
    logits = logits.float()
    return (
        logits.softmax(-1)
        if link == "softmax"
        else logits.sigmoid()
        if link == "sigmoid"
        else logits
    )


def logits_of(answer: Tensor, link: str) -> Tensor:
    """Logits that say so; probabilities below 1e-7 count as that."""
    if link == "identity":
        return answer
    clipped = answer.clamp(_LEAST, 1 - _LEAST)
    return clipped.log() if link == "softmax" else torch.logit(clipped)


class OfClasses(Objective):
    """An objective whose answers are classes. classes: their names; an answer is the one with the
    largest logit.
    """

    classes: list[str]

    def chosen(self, logits: Tensor) -> Tensor:
        """The number of the answer ``float64 [B]``."""
        return logits.argmax(1).double()

    def answers(self, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
        """For each row the best answers with their probabilities."""
        values, places = self.meant(logits).topk(min(top, len(self.classes)), dim=1)
        return [
            [(self.classes[place], value) for place, value in zip(row, chances, strict=True)]
            for row, chances in zip(places.tolist(), values.tolist(), strict=True)
        ]

    def meant(self, logits: Tensor) -> Tensor:
        """Probabilities ``[B, O]``."""
        return answer_of(logits, self.link)

    def logits(self, meant: Tensor) -> Tensor:
        """Logits that mean these."""
        return logits_of(meant, self.link)

    def confidence(self, meant: Tensor) -> Tensor:
        """The probability of the answer."""
        return meant.amax(1)


class OfCoins(OfClasses):
    """An objective whose classes are each right or not by themselves: as many coins, each with a
    probability (soft targets in [0, 1] among them).
    """

    link = "sigmoid"

    def loss(self, logits: Tensor, encoded: Tensor) -> Tensor:
        """Binary cross-entropy, summed over the classes."""
        return functional.binary_cross_entropy_with_logits(
            logits.float(), encoded, reduction="none"
        ).sum(1)

    def divergence(self, peer: Tensor, logits: Tensor) -> Tensor:
        """Summed over the classes."""
        p, own, other = peer.float().sigmoid(), logits.float(), peer.float()
        # from logits: the logarithm of a probability that was rounded to 0 is -inf
        yes = functional.logsigmoid(other) - functional.logsigmoid(own)
        no = functional.logsigmoid(-other) - functional.logsigmoid(-own)
        return (p * yes + (1 - p) * no).sum(1)
