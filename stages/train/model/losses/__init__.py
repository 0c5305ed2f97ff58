"""Auxiliary losses: what a model is asked beside its task while it is trained. Each gives terms;
what it has learned is saved beside the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from .....schemas.errors import InputError
from .....schemas.json_value import JsonValue
from ...methods.card import Choice, split_choice
from ...methods.losses import LOSSES
from ..loss_terms import FitsTargets, Loss, Sizes
from ..objectives.objective import Targets


def fit_losses(choices: Sequence[Choice], targets: Targets) -> dict[str, dict[str, JsonValue]]:
    """What the losses have to know of the training split's targets, as plain JSON, by their
    words.
    """
    fitted = {}
    for name, word, options in _named(choices):
        loss = LOSSES[word].load()
        if isinstance(loss, FitsTargets):
            fitted[name] = loss.fit(targets, **options)
    return fitted


def make_losses(
    choices: Sequence[Choice], sizes: Sizes, fitted: Mapping[str, Mapping[str, JsonValue]]
) -> nn.ModuleDict:
    """The losses of these choices, with parameters of their own; InputError for what is none."""
    losses: dict[str, nn.Module] = {}
    for name, word, options in _named(choices):
        known = {"fitted": fitted[name]} if name in fitted else {}
        loss = LOSSES[word].make(nn.Module, sizes, **options, **known)
        if not isinstance(loss, Loss):
            raise InputError(
                f"train.losses: {word}: wanted a method terms(decided, task), and"
                f" {type(loss).__name__} has none"
            )
        losses[name] = loss
    return nn.ModuleDict(losses)


def _named(choices: Sequence[Choice]) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Name, word and options of each loss; the second multitask is ``multitask_2``."""
    seen: Counter[str] = Counter()
    for word, options in map(split_choice, choices):
        seen[word] += 1
        yield (word if seen[word] == 1 else f"{word}_{seen[word]}"), word, options


__all__ = ["fit_losses", "make_losses"]
