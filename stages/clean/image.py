"""Images: decodable to the end, large enough, not too long and thin, sharp enough, not too dark or
too bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ._rules import JudgesParts, Rule


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
            Rule(
                "image_too_small",
                "min_side",
                lambda part, _: min(part.width or 0, part.height or 0),
                self.min_side,
                None,
            ),
            Rule(
                "image_too_large",
                "max_side",
                lambda part, _: max(part.width or 0, part.height or 0),
                None,
                self.max_side,
            ),
            Rule(
                "image_too_long",
                "max_aspect",
                lambda part, _: _aspect(part.width, part.height),
                None,
                self.max_aspect,
            ),
            Rule("image_dark", "max_dark", lambda _, signal: signal("dark"), None, self.max_dark),
            Rule(
                "image_bright",
                "max_bright",
                lambda _, signal: signal("bright"),
                None,
                self.max_bright,
            ),
            # last, for a picture that is all dark is not sharp either
            Rule(
                "image_blurred",
                "min_sharpness",
                lambda _, signal: signal("sharpness"),
                self.min_sharpness,
                None,
            ),
        ]


def _aspect(width: int | None, height: int | None) -> float:
    return max(width or 1, height or 1) / max(1, min(width or 1, height or 1))
