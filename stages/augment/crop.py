"""Copies of pictures cropped to a random area and aspect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range
from ._pictures import BOXES, COUNTS, SIDES, PictureCopies, rectangle


@dataclass(frozen=True, kw_only=True)
class Crop(PictureCopies):
    """Adds copies of each record that has a picture, cropped to a random part of it (Szegedy 2015,
    *Going Deeper with Convolutions*); a model's input scales it to its size.

    area: lowest and highest share of the picture that is kept.
    aspect: how many times as wide for its height as the picture it is at most, or as high for its
        width.

    With ``only_true`` texts that count or tell of sides get no copy, for things may be cut off, and
    the left half of the picture is another one; nor do records with boxes among the targets.
    """

    area: tuple[float, float] = (0.3, 1.0)
    aspect: float = 4 / 3

    def check(self) -> None:
        check_range("area", self.area, 0.0001, 1)
        check_range("aspect", (self.aspect, self.aspect), 1, 100)

    def spoils(self) -> tuple[str, ...]:
        return (BOXES, COUNTS, SIDES)

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        return (Step("crop", rectangle(rng, self.area, self.aspect)),)
