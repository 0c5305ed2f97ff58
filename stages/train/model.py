"""The fusion model: an encoder a part, one fusion, one head. One graph whatever is present.

Encoders see blanked input where a part is absent (``where`` before the encoder, so that not even NaN gets through), and the fusion sees
presence. So every subset of modalities runs through the same operations, and absent contents have no influence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..stream import FusionBatch
from .encoders import make_encoder
from .fusion import make_fusion
from .methods import split_choice
from .options import TrainOptions

Encoded = tuple[list[Tensor], list[Tensor]]


class FusionModel(nn.Module):
    """Logits ``[B, outputs]`` of a batch.

    modalities: part name -> modality. vocabularies: part name -> number of token ids. dims: part name -> length of its cached vector.
    """

    def __init__(self, options: TrainOptions, modalities: dict[str, str], vocabularies: dict[str, int], dims: dict[str, int], outputs: int) -> None:
        super().__init__()
        self.names = tuple(options.inputs)
        self.encoders = nn.ModuleDict(
            {
                name: make_encoder(name, modalities.get(name, "image"), spec, options.width, vocabularies.get(name, 2), dims.get(name, 0))
                for name, spec in options.inputs.items()
            }
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(options.width) for name in self.names})
        word, fusion_options = split_choice(options.fusion)
        self.fusion = make_fusion(word, len(self.names), options.width, options.dropout, fusion_options)
        self.head = nn.Sequential(
            nn.Linear(options.width, options.hidden), nn.GELU(), nn.Dropout(options.dropout), nn.Linear(options.hidden, outputs)
        )

    @torch.no_grad()
    def start_from(self, prior: Tensor) -> None:
        """Let an untrained model answer with the prior: its logits become the last layer's bias."""
        assert isinstance(self.head[-1], nn.Linear)
        self.head[-1].bias.copy_(prior)
        self.head[-1].weight.mul_(0.1)

    def forward(self, batch: FusionBatch) -> Tensor:
        """Logits of the batch as its presence says."""
        tokens, masks = self.encode(batch)
        return self.decide(tokens, masks, batch.present_BM)

    def encode(self, batch: FusionBatch) -> Encoded:
        """Tokens and masks of every part; they depend on each part alone, so that one encoding serves every subset."""
        tokens, masks = [], []
        for place, name in enumerate(self.names):
            present_B = batch.present_BM[:, place]
            part = blanked(batch.parts[name], present_B)
            length_B = batch.lengths.get(name)
            if length_B is not None:
                length_B = torch.where(present_B, length_B, 0)
            tokens_BTD, mask_BT = self.encoders[name](part, length_B, present_B)
            tokens.append(self.norms[name](tokens_BTD))
            masks.append(mask_BT)
        return tokens, masks

    def decide(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> Tensor:
        """Logits from encoded parts, as far as ``present_BM`` lets them be seen."""
        seen = [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)]
        fused_BD, _ = self.fusion(tokens, seen, present_BM)
        logits: Tensor = self.head(fused_BD)
        return logits


def blanked(part: Tensor, present_B: Tensor) -> Tensor:
    """The part with zeros in the rows where it is absent, whatever stood there."""
    return torch.where(present_B.view(-1, *[1] * (part.dim() - 1)), part, torch.zeros((), dtype=part.dtype, device=part.device))
