"""A decoder a part: every part that is there is made again from the fused vector, also one that was
hidden from it.

The multimodal autoencoder (Ngiam et al. 2011, *Multimodal Deep Learning*) beside a classifier;
articles call it a "cross-encoder" with decoders. The target is the part's pooled feature,
normalised over its layer; a part that is truly absent adds exactly 0.
"""

from __future__ import annotations

import torch
from torch import nn

from ..fusion._pool import row_mean
from ..loss_terms import BatchTargets, Decided, Sizes, Term


class ReconstructionLoss(nn.Module):
    """Mean squared error, averaged over the parts of a row that are there. weight: beside the
    task's loss.
    """

    def __init__(self, sizes: Sizes, weight: float = 0.2) -> None:
        super().__init__()
        self.weight = weight
        self.decoders = nn.ModuleList(
            nn.Sequential(
                nn.Linear(sizes.vector, sizes.width), nn.GELU(), nn.Linear(sizes.width, sizes.width)
            )
            for _ in range(sizes.parts)
        )

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """How far each part is from what the fused vector makes of it."""
        made_BMD = torch.stack([decoder(decided.vector_BD) for decoder in self.decoders], 1).float()
        # detached: the features must not come closer to what is made of them
        error_BM = (made_BMD - decided.pooled().detach().float()).square().mean(2)
        seen_BM = decided.there_BM & decided.shown_BM.any(1, keepdim=True)
        value_B, weight_B = row_mean(error_BM, seen_BM)
        return [(self.weight * value_B, weight_B)]
