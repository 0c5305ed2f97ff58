"""Encoders: one part of a batch to tokens ``[B, T, D]`` with a mask ``[B, T]``. The rows of absent parts are blanked before they get here."""

from __future__ import annotations

from torch import nn

from ....schemas.errors import InputError
from ..options import ENCODERS, InputOptions
from .audio import LogMelCnn
from .image import ImageCnn
from .resnet import ResNet18
from .text import TextLstm
from .vector import VectorMlp
from .video import FramesCnn

_DEFAULTS = {"image": "cnn", "text": "lstm", "audio": "logmel_cnn", "video": "frames_cnn"}


def make_encoder(name: str, modality: str, options: InputOptions, width: int, vocabulary: int, dims: int) -> nn.Module:
    """The encoder of a part: ``dims`` is the length of its cached vector, ``vocabulary`` the number of token ids."""
    word = options.encoder or ("mlp" if options.feature else _DEFAULTS[modality])
    wanted = ENCODERS[word]
    if wanted != ("feature" if options.feature else modality):
        raise InputError(f"train.inputs.{name}: the encoder {word} reads {wanted}, this part is {'a feature' if options.feature else modality}")
    if word == "cnn":
        return ImageCnn(width)
    if word == "resnet18":
        return ResNet18(width)
    if word == "lstm":
        return TextLstm(vocabulary, width)
    if word == "logmel_cnn":
        return LogMelCnn(width, options.rate_hz)
    if word == "frames_cnn":
        return FramesCnn(width)
    return VectorMlp(dims, width)


__all__ = ["FramesCnn", "ImageCnn", "LogMelCnn", "ResNet18", "TextLstm", "VectorMlp", "make_encoder"]
