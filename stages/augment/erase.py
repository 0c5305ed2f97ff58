"""Copies of pictures with a rectangle erased (Zhong 2020, *Random Erasing Data Augmentation*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range
from ._pictures import COUNTS, PictureCopies, rectangle


@dataclass(frozen=True, kw_only=True)
class Erase(PictureCopies):
    """Adds copies of each record that has a picture, with a rectangle of random values in it, of
    films the same in each frame.

    area: lowest and highest share of the picture that is erased.
    aspect: how many times as wide for its height as the picture it is at most, or as high for its
        width.

    With ``only_true`` texts that count get no copy, for what they count may be erased.
    """

    area: tuple[float, float] = (0.02, 0.33)
    aspect: float = 3.3

    def check(self) -> None:
        check_range("area", self.area, 0.0001, 1)
        check_range("aspect", (self.aspect, self.aspect), 1, 100)

    def spoils(self) -> tuple[str, ...]:
        return (COUNTS,)

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        place = rectangle(rng, self.area, self.aspect)
        return (Step("erase", {**place, "seed": int(rng.integers(2**63))}),)
