"""Copies of pictures with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._pictures import PictureCopies


@dataclass(frozen=True, kw_only=True)
class Grain(PictureCopies):
    """Adds copies of each record that has a picture, with white noise, of films in each frame
    another.

    deviation: lowest and highest standard deviation of the noise in levels of 255.
    side: pixels of the shorter side that larger pictures are scaled to before, for their noise
        would be gone once a model's input is made of them.

    What texts and targets say stays true.
    """

    deviation: tuple[float, float] = (5.0, 20.0)
    side: int = 256

    def check(self) -> None:
        check_range("deviation", self.deviation, 0, 255)
        if self.side < 8:
            raise ValueError(f"side: wanted 8 pixels or more, found {self.side}")

    def spoils(self) -> tuple[str, ...]:
        return ()

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        deviation, seed = draw(rng, self.deviation, 4), int(rng.integers(2**63))
        return (Step("grain", {"deviation": deviation, "side": self.side, "seed": seed}),)
