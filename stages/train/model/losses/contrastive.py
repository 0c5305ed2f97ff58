"""Contrast between parts of the same record: symmetric InfoNCE (van den Oord et al. 2018) over the
batch, as in CLIP (Radford et al. 2021).
"""

from __future__ import annotations

import torch
from torch import nn

from ..fusion._contrast import pairs_term
from ..loss_terms import BatchTargets, Decided, Sizes, Term


class Contrastive(nn.Module):
    """Each part is mapped by a layer of its own; pairs with an absent side carry no weight.

    weight: beside the task's loss. temperature: by which likeness is divided before the softmax.
    """

    def __init__(self, sizes: Sizes, weight: float = 0.2, temperature: float = 0.07) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature
        self.maps = nn.ModuleList(nn.Linear(sizes.width, sizes.width) for _ in range(sizes.parts))

    def terms(self, decided: Decided, task: BatchTargets) -> list[Term]:
        """The mean over all pairs of parts of a row."""
        pooled_BMD = decided.pooled()
        mapped_BMD = torch.stack(
            [map_(pooled_BMD[:, place]) for place, map_ in enumerate(self.maps)], 1
        )
        return [pairs_term(mapped_BMD, decided.there_BM, self.temperature, self.weight)]
