"""Encoders: one part of a batch to tokens ``[B, T, D]`` with a mask ``[B, T]``. The rows of absent
parts are blanked before they get here. The options of one are the keyword-only arguments of its
constructor.
"""

from __future__ import annotations

from torch import nn

from .....schemas.errors import InputError
from ...data.part import InputPart
from ...methods.card import split_choice
from ...methods.encoders import ENCODERS
from ...options import TrainOptions, encoder_choice


def make_encoder(name: str, part: InputPart, options: TrainOptions) -> nn.Module:
    """The encoder of a part."""
    word, own = split_choice(encoder_choice(part.options, part.reads, options))
    if ENCODERS[word].reads != part.reads:
        raise InputError(
            f"train.inputs.{name}: the encoder {word} reads {ENCODERS[word].reads}, this part is"
            f" {part.reads}"
        )
    return ENCODERS[word].make(nn.Module, options.width, part, **own)


__all__ = ["InputPart", "make_encoder"]
