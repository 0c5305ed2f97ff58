"""Auxiliary losses: what a model is asked beside its task while it is trained. Each gives terms; what it has learned is saved beside the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..cards import LOSSES
from ..methods import Choice, split_choice
from ..terms import Sizes


def fit_losses(choices: Sequence[Choice], targets: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the losses have to know of the training split's targets, as plain JSON, by their words."""
    fitted = {}
    for word, options in map(split_choice, choices):
        fit = getattr(LOSSES[word].load(), "fit", None)
        if fit is not None:
            fitted[word] = fit(targets, **options)
    return fitted


def make_losses(choices: Sequence[Choice], sizes: Sizes, fitted: Mapping[str, Mapping[str, Any]]) -> nn.ModuleDict:
    """The losses of these choices, with parameters of their own."""
    made: dict[str, nn.Module] = {}
    for word, options in map(split_choice, choices):
        made[word] = LOSSES[word].load()(sizes, **options, **({"fitted": fitted[word]} if word in fitted else {}))
    return nn.ModuleDict(made)


__all__ = ["fit_losses", "make_losses"]
