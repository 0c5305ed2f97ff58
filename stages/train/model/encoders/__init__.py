"""Encoders: one part of a batch to tokens ``[B, T, D]`` with a mask ``[B, T]``. The rows of absent
parts are blanked before they get here.
"""

from __future__ import annotations

from torch import nn

from .....schemas.errors import InputError
from ...data.part import InputPart
from ...methods.encoders import ENCODERS
from ...options import TrainOptions, encoder_word


def make_encoder(name: str, part: InputPart, options: TrainOptions) -> nn.Module:
    """The encoder of a part."""
    word = encoder_word(part.options, part.kind, options)
    reads = "feature" if part.options.feature else part.kind
    if ENCODERS[word].reads != reads:
        raise InputError(
            f"train.inputs.{name}: the encoder {word} reads {ENCODERS[word].reads}, this part is"
            f" {reads}"
        )
    return ENCODERS[word].make(nn.Module, options.width, part)


__all__ = ["InputPart", "make_encoder"]
