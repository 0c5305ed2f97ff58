"""A cached feature vector to one token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...data.part import InputPart

# deviations; of one scale for all, a bin that few texts have is rightly further away
_FURTHEST = 10.0


class Vector(nn.Module):
    """Vectors ``[B, F]``, brought to mean 0 and deviation 1 of the training split (each feature, or
    all of them together where the extractor says that they are of one scale), and to fewer features
    where ``reduce`` is given.
    """

    mean_F: Tensor
    deviation_F: Tensor
    furthest: Tensor
    axes_FK: Tensor | None

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__()
        self.reduce, self.rank = part.options.reduce, part.options.rank
        self.register_buffer("mean_F", torch.zeros(part.dims))
        self.register_buffer("deviation_F", torch.ones(part.dims))
        self.register_buffer("furthest", torch.tensor(_FURTHEST))
        self.register_buffer(
            "axes_FK", None if self.reduce is None else torch.zeros(part.dims, self.rank)
        )
        self.features = part.dims if self.reduce is None else self.rank

    @torch.no_grad()
    def standardise(self, mean_F: Tensor, deviation_F: Tensor, one_scale: bool = False) -> None:
        """Take these as the training split's, or the root of the mean variance for all; a feature
        that never changes keeps a deviation of 1.
        """
        self.mean_F.copy_(mean_F)
        if one_scale:
            deviation_F = deviation_F.square().mean().sqrt().expand_as(deviation_F)
        self.furthest.fill_(torch.inf if one_scale else _FURTHEST)
        self.deviation_F.copy_(
            torch.where(deviation_F > 1e-6, deviation_F, torch.ones_like(deviation_F))
        )

    def standard(self, vector_BF: Tensor) -> Tensor:
        """Standardised, at most ten deviations away where each feature has its own, and along the
        axes.
        """
        x_BF = ((vector_BF.float() - self.mean_F) / self.deviation_F).clamp(
            -self.furthest, self.furthest
        )
        return x_BF if self.axes_FK is None else x_BF @ self.axes_FK


def two_layers(features: int, width: int, dropout: float) -> nn.Sequential:
    """Two layers with a GELU between them."""
    return nn.Sequential(
        nn.Linear(features, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
    )


class VectorMlp(Vector):
    """Two layers; ``[B, 1, D]``."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.layers = two_layers(self.features, width, part.dropout)

    def forward(
        self, vector_BF: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        return self.layers(self.standard(vector_BF))[:, None], present_B[:, None]


class VectorLinear(Vector):
    """One linear map; ``[B, 1, D]``."""

    def __init__(self, width: int, part: InputPart) -> None:
        super().__init__(width, part)
        self.map = nn.Linear(self.features, width)

    def forward(
        self, vector_BF: Tensor, length_B: Tensor | None, present_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        return self.map(self.standard(vector_BF))[:, None], present_B[:, None]
