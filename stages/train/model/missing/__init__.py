"""What a model does without a part: between the encoders and the fusion, an absent part is left
out, or something is put in its place.

Each takes tokens, masks and presence, and gives them as the fusion shall see them, with what can be
looked at. A row with nothing at all stays
empty: the fusion's prior answers for it.
"""

from __future__ import annotations

from torch import nn

from ...methods.card import Choice, split_choice
from ...methods.missing import MISSING


def make_missing(choice: Choice, parts: int, width: int) -> nn.Module:
    """The strategy of that choice."""
    word, options = split_choice(choice)
    return MISSING[word].make(nn.Module, parts, width, **options)


__all__ = ["make_missing"]
