"""Words to vectors: an embedding under an LSTM, a GRU, a Transformer, convolutions, or nothing.
More padding changes nothing in any of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ....modalities.text import learned_words
from ....modalities.text.words import SPECIAL_TOKENS
from ...data.part import InputPart
from ..fusion.attention import Layer
from ..recurrent import Gru, Lstm, both_ways

_WIDTHS = (3, 4, 5)


class _Text(nn.Module):
    """Token ids ``[B, T]`` (0 is padding) to one vector a word ``[B, T, D]``, as ``encode``
    says.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.embedding = nn.Embedding(
            len(learned_words(part.fitted)["vocabulary"]) + SPECIAL_TOKENS,
            width,
            padding_idx=0,
        )

    def forward(
        self, ids_BT: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        assert length_B is not None
        mask_BT = real_places(ids_BT, length_B, present_B)
        return self.encode(self.embedding(ids_BT), mask_BT), mask_BT

    def encode(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One vector a word."""
        raise NotImplementedError


class _TwoWays(_Text):
    """A recurrent network from the first word on and another from the last back."""

    cell: type[Lstm] | type[Gru]

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.forth = self.cell(width, width // 2, batch_first=True)
        self.back = self.cell(width, width - width // 2, batch_first=True)

    def encode(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One vector a word."""
        return both_ways(self.forth, self.back, x_BTD, mask_BT)


class TextLstm(_TwoWays):
    """A bidirectional LSTM (Hochreiter & Schmidhuber 1997)."""

    cell = Lstm


class TextGru(_TwoWays):
    """A bidirectional GRU (Cho et al. 2014)."""

    cell = Gru


class TextTransformer(_Text):
    """Self-attention (Vaswani et al. 2017) with sinusoidal positions. layers: how many of it."""

    def __init__(self, width: int, part: InputPart, *, layers: int = 2) -> None:
        super().__init__(width, part)
        self.layers = nn.ModuleList(Layer(width, part.dropout) for _ in range(layers))

    def encode(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One vector a word."""
        x_BTD = x_BTD + positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device).to(x_BTD.dtype)
        for layer in self.layers:
            x_BTD = layer(x_BTD, mask_BT)
        return x_BTD


class TextCnn(_Text):
    """Convolutions over three, four and five words (Kim 2014), one vector a word rather than their
    maximum, so that any fusion can follow.
    """

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        shares = [width // 3, width // 3, width - 2 * (width // 3)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, share, size, padding="same")
            for size, share in zip(_WIDTHS, shares, strict=True)
        )

    def encode(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One vector a word."""
        # zeros, so that a convolution over the end sees the same however far a batch is padded
        x_BDT = (x_BTD * mask_BT[:, :, None]).transpose(1, 2)
        return (
            torch.cat([convolution(x_BDT) for convolution in self.convolutions], 1)
            .relu()
            .transpose(1, 2)
        )


class TextEmbedding(_Text):
    """The embedding with sinusoidal positions alone: for fusions that do all the work."""

    def encode(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One vector a word."""
        return x_BTD + positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device).to(x_BTD.dtype)


def real_places(rows_BT: Tensor, length_B: Tensor, present_B: Tensor) -> Tensor:
    """Where rows ``[B, T, ...]`` are no padding ``bool [B, T]``: nowhere in one that is absent."""
    place_T = torch.arange(rows_BT.shape[1], device=rows_BT.device)
    return (place_T < length_B[:, None]) & present_B[:, None]


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """Sinusoidal positions ``[length, width]`` (Vaswani et al. 2017)."""
    place_T1 = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    rate_F = torch.exp(
        torch.arange(0, width, 2, device=device, dtype=torch.float32)
        * (-math.log(10_000.0) / width)
    )
    found_TD = torch.zeros(length, width, device=device)
    found_TD[:, 0::2] = torch.sin(place_T1 * rate_F)
    found_TD[:, 1::2] = torch.cos(place_T1 * rate_F)[:, : width // 2]
    return found_TD
