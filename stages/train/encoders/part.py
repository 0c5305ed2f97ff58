"""What an encoder has to know of its part."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..options import InputOptions


@dataclass(frozen=True)
class Part:
    """options: as the recipe has them. vocabulary: number of token ids of a text. dims: length of a cached vector."""

    options: InputOptions = field(default_factory=InputOptions)
    vocabulary: int = 2
    dims: int = 0
    dropout: float = 0.0
