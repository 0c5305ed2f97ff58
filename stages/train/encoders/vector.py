"""A cached feature vector to one token."""

from __future__ import annotations

from torch import Tensor, nn


class VectorMlp(nn.Module):
    """Vectors ``[B, F]`` to one token ``[B, 1, D]``."""

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(dims), nn.Linear(dims, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, vector_BF: Tensor, length_B: Tensor | None, present_B: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their mask."""
        return self.layers(vector_BF.float())[:, None], present_B[:, None]
