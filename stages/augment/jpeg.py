"""Copies of pictures as strong compression leaves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range
from ._pictures import PictureCopies


@dataclass(frozen=True, kw_only=True)
class Jpeg(PictureCopies):
    """Adds copies of each record that has a picture, compressed by JPEG.

    quality: lowest and highest quality, from 1 to 100.
    side: pixels of the shorter side that larger pictures are scaled to before, for their blocks
        would be gone once a model's input is made of them.

    What texts and targets say stays true.
    """

    quality: tuple[int, int] = (10, 50)
    side: int = 256

    def check(self) -> None:
        check_range("quality", self.quality, 1, 100)
        if self.side < 8:
            raise ValueError(f"side: wanted 8 pixels or more, found {self.side}")

    def spoils(self) -> tuple[str, ...]:
        return ()

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        least, most = self.quality
        quality = int(rng.integers(least, most + 1))
        return (Step("jpeg", {"quality": quality, "side": self.side}),)
