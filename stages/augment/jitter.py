"""Copies of pictures cropped and lightened or darkened at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import draw
from ._pictures import BOXES, COUNTS, SIDES, PictureCopies


@dataclass(frozen=True, kw_only=True)
class Jitter(PictureCopies):
    """Adds copies of each record that has a picture, all its pictures cropped alike and made
    brighter or darker alike.

    crop: smallest share of width and height that a crop keeps.
    brightness: lowest and highest factor.

    With ``only_true`` texts that count or tell of sides get no copy, for things may be cut off, and
    the left half of the picture is another one; nor do records with boxes among the targets.
    """

    crop: float = 0.8
    brightness: tuple[float, float] = (0.8, 1.2)

    def check(self) -> None:
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop: wanted a share in (0, 1], found {self.crop}")
        if not 0 < self.brightness[0] <= self.brightness[1]:
            raise ValueError(
                f"brightness: wanted the lowest factor, then the highest, found {self.brightness}"
            )

    def spoils(self) -> tuple[str, ...]:
        return (BOXES, COUNTS, SIDES) if self.crop < 1 else ()

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        width, height = (draw(rng, (self.crop, 1.0), 4) for _ in range(2))
        left, top = draw(rng, (0, 1 - width), 4), draw(rng, (0, 1 - height), 4)
        factor = draw(rng, self.brightness, 4)
        return (
            Step("crop", {"left": left, "top": top, "width": width, "height": height}),
            Step("brightness", {"factor": factor}),
        )
