"""The fusion model: an encoder a part, a way to do without what is missing, one fusion, one head.
One graph whatever is present.

    parts  --encoders-->  tokens [B, T_m, D]  --missing-->  tokens  --fusion-->  vector [B, D]
    --head-->  logits [B, O]

Encoders see blanked input where a part is absent (``where`` before the encoder, so that not even
NaN gets through), and the fusion sees presence. So every subset of modalities runs through the same
operations, and absent contents have no influence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...stream import FusionBatch
from ..data.inputs import Inputs
from ..methods.card import split_choice
from ..methods.fusions import FUSIONS
from .encoders import make_encoder
from .fusion import StartsFromPrior, TellsLooks, make_fusion
from .loss_terms import Decided, Sizes
from .missing import make_missing
from .missing.fill import StoodIn

Encoded = tuple[list[Tensor], list[Tensor]]


class FusionModel(nn.Module):
    """Logits ``[B, outputs]`` of a batch.

    link: how logits become an answer: ``softmax``, ``sigmoid`` or ``identity``.
    """

    def __init__(self, inputs: Inputs, outputs: int, link: str = "softmax") -> None:
        super().__init__()
        options = inputs.options
        self.names, self.width, self.outputs = inputs.names, options.width, outputs
        encoders: dict[str, nn.Module] = {}
        for name, spec in options.inputs.items():
            # one module under both names: trained once, and saved for both
            twin = encoders.get(spec.same_as or "")
            encoders[name] = twin or make_encoder(name, inputs.part(name), options)
        self.encoders = nn.ModuleDict(encoders)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(options.width) for name in self.names})
        self.missing = make_missing(options.missing, len(self.names), options.width)
        self.fusion = make_fusion(
            options.fusion, len(self.names), options.width, options.dropout, outputs, link
        )
        self.head: nn.Module = nn.Identity()
        if not FUSIONS[split_choice(options.fusion)[0]].is_late:
            self.head = nn.Sequential(
                nn.Linear(options.width, options.hidden),
                nn.GELU(),
                nn.Dropout(options.dropout),
                nn.Linear(options.hidden, outputs),
            )

    def sizes(self) -> Sizes:
        """What the losses beside it have to know."""
        vector = self.outputs if isinstance(self.head, nn.Identity) else self.width
        return Sizes(len(self.names), self.width, vector, self.outputs)

    @torch.no_grad()
    def start_from(self, prior: Tensor) -> None:
        """Let an untrained model answer with the prior: its logits become the last layer's bias."""
        if isinstance(self.head, nn.Sequential):
            last = self.head[-1]
            assert isinstance(last, nn.Linear)
            last.bias.copy_(prior)
            last.weight.mul_(0.1)
        else:
            # make_fusion made sure of it
            assert isinstance(self.fusion, StartsFromPrior)
            self.fusion.start_from(prior)

    def forward(self, batch: FusionBatch) -> Tensor:
        """Logits of the batch as its presence says."""
        tokens, masks = self.encode(batch)
        return self.decide(tokens, masks, batch.present_BM)

    def encode(self, batch: FusionBatch) -> Encoded:
        """Tokens and masks of every part; they depend on each part alone, so that one encoding
        serves every subset.
        """
        tokens, masks = zip(*(self.encode_part(batch, name) for name in self.names), strict=True)
        return list(tokens), list(masks)

    def encode_part(self, batch: FusionBatch, name: str) -> tuple[Tensor, Tensor]:
        """Tokens ``[B, T_m, D]`` and mask ``[B, T_m]`` of one part."""
        present_B = batch.present_BM[:, self.names.index(name)]
        part, length_B = blanked(batch.parts[name], present_B), batch.lengths.get(name)
        # its length too: of an absent part nothing may tell how long it was
        if length_B is not None:
            length_B = torch.where(present_B, length_B, 0)
        tokens_BTD, mask_BT = self.encoders[name](part, length_B, present_B)
        return self.norms[name](tokens_BTD), mask_BT

    def decide(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> Tensor:
        """Logits from encoded parts, as far as ``present_BM`` lets them be seen."""
        return self._through(tokens, masks, present_BM)[0]

    def decided(
        self, tokens: list[Tensor], masks: list[Tensor], shown_BM: Tensor, there_BM: Tensor
    ) -> Decided:
        """The same with all that was made on the way, for what is trained and what is looked at."""
        logits_BO, vector_BD, info = self._through(tokens, masks, shown_BM)
        return Decided(logits_BO, vector_BD, tokens, masks, shown_BM, there_BM, self.decide, info)

    def looked_at(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> list[Tensor] | None:
        """How much the fusion looked at each token ``[B, T_m]`` a part; None for those that cannot
        tell.
        """
        if not isinstance(self.fusion, TellsLooks):
            return None
        tokens, seen, present_BM, _ = self._filled(tokens, masks, present_BM)
        return self.fusion.looked_at(tokens, seen, present_BM)

    def _filled(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> StoodIn:
        """What the fusion sees: the shown tokens, with what stands for absent parts."""
        seen = [mask_BT & present_BM[:, place, None] for place, mask_BT in enumerate(masks)]
        filled: StoodIn = self.missing(tokens, seen, present_BM)
        return filled

    def _through(
        self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        tokens, seen, present_BM, filled = self._filled(tokens, masks, present_BM)
        vector_BD, info = self.fusion(tokens, seen, present_BM)
        return (
            self.head(vector_BD),
            vector_BD,
            {**info, **{f"missing.{name}": value for name, value in filled.items()}},
        )


def blanked(part: Tensor, present_B: Tensor) -> Tensor:
    """The part with zeros in the rows where it is absent, whatever stood there."""
    return torch.where(
        present_B.view(-1, *[1] * (part.dim() - 1)),
        part,
        torch.zeros((), dtype=part.dtype, device=part.device),
    )
