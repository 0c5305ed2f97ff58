"""Encoders: one part of a batch to tokens ``[B, T, D]`` with a mask ``[B, T]``. The rows of absent parts are blanked before they get here."""

from __future__ import annotations

from torch import nn

from ....schemas.errors import InputError
from ..cards import ENCODERS
from ..options import InputOptions, TrainOptions, encoder_word
from .part import Part


def make_encoder(name: str, modality: str, spec: InputOptions, options: TrainOptions, vocabulary: int, dims: int) -> nn.Module:
    """The encoder of a part: ``dims`` is the length of its cached vector, ``vocabulary`` the number of token ids."""
    word = encoder_word(spec, modality, options)
    reads = "feature" if spec.feature else modality
    if ENCODERS[word].reads != reads:
        raise InputError(f"train.inputs.{name}: the encoder {word} reads {ENCODERS[word].reads}, this part is {reads}")
    made: nn.Module = ENCODERS[word].load()(options.width, Part(spec, vocabulary, dims, options.dropout))
    return made


__all__ = ["Part", "make_encoder"]
