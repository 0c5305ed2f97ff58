"""Images: decodable to the end, large enough, not too long and thin, sharp enough, not too dark or
too bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ._judging import JudgesParts, Rule


@dataclass(frozen=True, kw_only=True)
class Image(JudgesParts):
    """Rejects records whose image breaks a rule, or takes only the image away.

    min_side, max_side: pixels of the shorter and the longer side.
    max_aspect: longer side over shorter side.
    min_sharpness: variance of the Laplacian at a short side of 256 pixels; about 100 for a soft
        photograph.
    max_dark, max_bright: share of nearly black and nearly white pixels.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[str] = "image"

    min_side: int = 1
    max_side: int = 100_000
    max_aspect: float = 100.0
    min_sharpness: float = 0.0
    max_dark: float = 1.0
    max_bright: float = 1.0
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("image_too_small", "min_side", "short_side", low=self.min_side),
            Rule("image_too_large", "max_side", "long_side", high=self.max_side),
            Rule("image_too_long", "max_aspect", "aspect", high=self.max_aspect),
            Rule("image_dark", "max_dark", "dark", high=self.max_dark),
            Rule("image_bright", "max_bright", "bright", high=self.max_bright),
            # last, for a picture that is all dark is not sharp either
            Rule("image_blurred", "min_sharpness", "sharpness", low=self.min_sharpness),
        ]
