"""Copies of pictures blurred at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._pictures import PictureCopies


@dataclass(frozen=True, kw_only=True)
class Blur(PictureCopies):
    """Adds copies of each record that has a picture, blurred by a Gaussian.

    sigma: lowest and highest deviation, as a share of the shorter side: 0.01 are 2.6 pixels of 256.

    What texts and targets say stays true.
    """

    sigma: tuple[float, float] = (0.002, 0.01)

    def check(self) -> None:
        check_range("sigma", self.sigma, 0, 0.5)

    def spoils(self) -> tuple[str, ...]:
        return ()

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        return (Step("blur", {"sigma": draw(rng, self.sigma, 6)}),)
