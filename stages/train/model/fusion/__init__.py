"""Fusions: the tokens of all parts to one vector, or to one answer, whatever is present.

Each takes, part by part, tokens ``[B, T_m, D]`` and their mask ``[B, T_m]``, and presence ``[B,
M]``; it gives ``[B, D]`` (model-level fusions: logits ``[B, O]``) and what can be looked at
(weights, gates). Absent parts have no influence on the result; with nothing present the result is a
learned prior. A fusion with an objective of its own has ``terms`` as well, and some can do more
(``StartsFromPrior``, ``TellsLooks``, ``FitsAnswers``, ``ChoosesWeights``).
"""

from __future__ import annotations

from torch import nn

from .....schemas.errors import InputError
from ...methods.card import Choice, split_choice
from ...methods.fusions import FUSIONS
from ._abilities import ChoosesWeights, FitsAnswers, StartsFromPrior, TellsLooks


def make_fusion(
    choice: Choice, parts: int, width: int, dropout: float, outputs: int = 2, link: str = "softmax"
) -> nn.Module:
    """The fusion of that choice; ``outputs`` and ``link`` are what model-level fusions have to know
    of the task. InputError for a model-level fusion that cannot begin with a prior.
    """
    word, options = split_choice(choice)
    card = FUSIONS[word]
    late = (outputs, link) if card.is_late else ()
    fusion = card.make(nn.Module, parts, width, dropout, *late, **options)
    if card.is_late and not isinstance(fusion, StartsFromPrior):
        raise InputError(
            f"train.fusion: {word}: wanted a method start_from(prior_O), as its card says is_late,"
            f" and {type(fusion).__name__} has none; write it, or leave is_late out"
        )
    return fusion


__all__ = ["ChoosesWeights", "FitsAnswers", "StartsFromPrior", "TellsLooks", "make_fusion"]
