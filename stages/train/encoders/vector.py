"""A cached feature vector to one token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .part import Part


class Vector(nn.Module):
    """Vectors ``[B, F]``, brought to mean 0 and deviation 1 of the training split by :meth:`standardise`."""

    mean_F: Tensor
    deviation_F: Tensor

    def __init__(self, width: int, part: Part) -> None:
        super().__init__()
        self.register_buffer("mean_F", torch.zeros(part.dims))
        self.register_buffer("deviation_F", torch.ones(part.dims))

    @torch.no_grad()
    def standardise(self, mean_F: Tensor, deviation_F: Tensor) -> None:
        """Take these as the training split's; a feature that never changes keeps a deviation of 1."""
        self.mean_F.copy_(mean_F)
        self.deviation_F.copy_(torch.where(deviation_F > 1e-6, deviation_F, torch.ones_like(deviation_F)))

    def standard(self, vector_BF: Tensor) -> Tensor:
        """Standardised, at most ten deviations away."""
        return ((vector_BF.float() - self.mean_F) / self.deviation_F).clamp(-10, 10)


class VectorMlp(Vector):
    """Two layers; ``[B, 1, D]``."""

    def __init__(self, width: int, part: Part) -> None:
        super().__init__(width, part)
        self.layers = nn.Sequential(nn.Linear(part.dims, width), nn.GELU(), nn.Dropout(part.dropout), nn.Linear(width, width))

    def forward(self, vector_BF: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        return self.layers(self.standard(vector_BF))[:, None], present_B[:, None]


class VectorLinear(Vector):
    """One linear map; ``[B, 1, D]``."""

    def __init__(self, width: int, part: Part) -> None:
        super().__init__(width, part)
        self.map = nn.Linear(part.dims, width)

    def forward(self, vector_BF: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        return self.map(self.standard(vector_BF))[:, None], present_B[:, None]
