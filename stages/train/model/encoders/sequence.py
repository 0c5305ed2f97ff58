"""Cached vectors in order to tokens: their mean, a linear map of each, an LSTM both ways or
self-attention. More padding changes nothing in any of them.
"""

from __future__ import annotations

from torch import Tensor, nn

from ...data.part import InputPart
from ..fusion._pool import masked_mean
from ..fusion.attention import Layer
from ..recurrent import Lstm, both_ways
from .text import positions, real_places
from .vector import Vector, two_layers


class _Sequence(Vector):
    """Sequences ``[B, T, F]``, each vector standardised as a single one would be."""

    def forward(
        self, vectors_BTF: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        assert length_B is not None
        mask_BT = real_places(vectors_BTF, length_B, present_B)
        return self.encode(self.standard(vectors_BTF), mask_BT)

    def encode(self, x_BTF: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of standardised vectors, and their mask."""
        raise NotImplementedError


class SequenceMean(_Sequence):
    """Two layers over the mean of the real vectors ``[B, 1, D]``; their order does not matter."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.layers = two_layers(self.features, width, part.dropout)

    def encode(self, x_BTF: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """One token."""
        return self.layers(masked_mean(x_BTF, mask_BT))[:, None], mask_BT.any(1, keepdim=True)


class SequenceLinear(_Sequence):
    """A linear map of each vector, with sinusoidal positions: for fusions that do all the work."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.map = nn.Linear(self.features, width)

    def encode(self, x_BTF: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """A token a vector."""
        return _placed(self.map(x_BTF)), mask_BT


class SequenceLstm(_Sequence):
    """A bidirectional LSTM (Hochreiter & Schmidhuber 1997). An exported graph of it has one step
    after the other, and so takes sequences of one length, padding included.
    """

    is_unrolled = True

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.forth = Lstm(self.features, width // 2, batch_first=True)
        self.back = Lstm(self.features, width - width // 2, batch_first=True)

    def encode(self, x_BTF: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """A token a vector."""
        return both_ways(self.forth, self.back, x_BTF, mask_BT), mask_BT


class SequenceTransformer(_Sequence):
    """Self-attention (Vaswani et al. 2017) with sinusoidal positions. layers: how many of it."""

    def __init__(self, width: int, part: InputPart, *, layers: int = 2) -> None:
        super().__init__(width, part)
        self.map = nn.Linear(self.features, width)
        self.layers = nn.ModuleList(Layer(width, part.dropout) for _ in range(layers))

    def encode(self, x_BTF: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """A token a vector."""
        x_BTD = _placed(self.map(x_BTF))
        for layer in self.layers:
            x_BTD = layer(x_BTD, mask_BT)
        return x_BTD, mask_BT


def _placed(x_BTD: Tensor) -> Tensor:
    """Tokens with their positions."""
    return x_BTD + positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device).to(x_BTD.dtype)
