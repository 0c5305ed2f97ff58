"""Attention over all tokens of all present parts: a small Transformer (Vaswani et al. 2017) with
one token that is always there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._pool import attended, attention_weights, heads_for

_LAYERS = 2


class Layer(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.heads = heads_for(width)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """The next layer's tokens; tokens that the mask hides are not looked at."""
        query_BTD, key_BTD, value_BTD = self.qkv(self.before_attention(x_BTD)).chunk(3, 2)
        x_BTD = x_BTD + self.out(attended(query_BTD, key_BTD, value_BTD, mask_BT, self.heads))
        mixed_BTD: Tensor = self.mlp(self.before_mlp(x_BTD))
        return x_BTD + mixed_BTD

    def weights(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """How much each token looks at each other one ``[B, T, T]``, the mean over the heads."""
        query_BTD, key_BTD, _ = self.qkv(self.before_attention(x_BTD)).chunk(3, 2)
        return attention_weights(query_BTD, key_BTD, mask_BT, self.heads).mean(1)


class AttentionFusion(nn.Module):
    """``[CLS]`` and all tokens, each with its part's embedding; the result is what ``[CLS]`` has
    gathered.

    An absent part is represented by a learned filler token, so that the network can know what it
    lacks.
    """

    def __init__(self, parts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.cls_D = nn.Parameter(torch.randn(width) * 0.02)
        self.part_MD = nn.Parameter(torch.randn(parts, width) * 0.02)
        self.filler_MD = nn.Parameter(torch.zeros(parts, width))
        self.layers = nn.ModuleList(Layer(width, dropout) for _ in range(_LAYERS))
        self.last = nn.LayerNorm(width)

    def forward(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fused ``[B, D]``; what was looked at is told by ``looked_at``."""
        x_BTD, mask_BT = self._together(tokens, masks, present_BM)
        for layer in self.layers:
            x_BTD = layer(x_BTD, mask_BT)
        return self.last(x_BTD[:, 0]), {}

    def looked_at(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> list[Tensor]:
        """How much of ``[CLS]`` comes from each token ``[B, T_m]`` a part: attention rollout (Abnar
        & Zuidema 2020).

        With what comes from ``[CLS]`` itself and from fillers, it adds up to 1.
        """
        x_BTD, mask_BT = self._together(tokens, masks, present_BM)
        from_BT = torch.zeros_like(mask_BT, dtype=x_BTD.dtype)
        from_BT[:, 0] = 1
        flows = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            # half of what a token is goes past the attention, on the residual path
            flows.append(
                (layer.weights(x_BTD, mask_BT) + torch.eye(x_BTD.shape[1], device=x_BTD.device)) / 2
            )
            x_BTD = layer(x_BTD, mask_BT)
        for flow_BTT in reversed(flows):
            from_BT = torch.einsum("bt,bts->bs", from_BT, flow_BTT)
        pieces = torch.split(from_BT[:, 1:], [1 + part.shape[1] for part in tokens], 1)
        return [piece_BT[:, 1:] for piece_BT in pieces]

    def _together(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``[CLS]``, then for each part its filler and its tokens; and which of them are there."""
        batch = present_BM.shape[0]
        kind = tokens[0].dtype
        rows = [self.cls_D.to(kind).expand(batch, 1, -1)]
        seen = [torch.ones(batch, 1, dtype=torch.bool, device=present_BM.device)]
        for place, (tokens_BTD, mask_BT) in enumerate(zip(tokens, masks, strict=True)):
            here_B11 = present_BM[:, place, None, None]
            filler_1D = (self.filler_MD[place] + self.part_MD[place]).to(kind)
            first_B1D = torch.where(
                here_B11, tokens_BTD.new_zeros(()), filler_1D.expand(batch, 1, -1)
            )
            rows += [first_B1D, tokens_BTD + self.part_MD[place].to(kind)]
            seen += [~present_BM[:, place, None], mask_BT & present_BM[:, place, None]]
        return torch.cat(rows, 1), torch.cat(seen, 1)
