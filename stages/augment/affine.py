"""Copies of pictures turned, scaled, moved and slanted at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._pictures import BOXES, COUNTS, SIDES, PictureCopies

_SIDES_STAY = 45.0  # degrees up to which left is left


@dataclass(frozen=True, kw_only=True)
class Affine(PictureCopies):
    """Adds copies of each record that has a picture, turned, scaled, slanted and moved; the edges
    are filled with what lies beside them, mirrored.

    degrees: lowest and highest turn, clockwise.
    scale: lowest and highest factor.
    shear: lowest and highest slant in degrees.
    shift: by how much of its width and height it is moved at most.

    With ``only_true`` texts that count get no copy, for things may leave the picture, and where
    turns go beyond 45 degrees none that tell of sides; nor do records with boxes among the targets.
    """

    degrees: tuple[float, float] = (-10.0, 10.0)
    scale: tuple[float, float] = (0.9, 1.1)
    shear: tuple[float, float] = (0.0, 0.0)
    shift: float = 0.05

    def check(self) -> None:
        check_range("degrees", self.degrees, -180, 180)
        check_range("scale", self.scale, 0.1, 10)
        check_range("shear", self.shear, -60, 60)
        if not 0 <= self.shift < 1:
            raise ValueError(f"shift: wanted a share from 0 up to 1, found {self.shift}")

    def spoils(self) -> tuple[str, ...]:
        turns = max(map(abs, self.degrees)) > _SIDES_STAY
        return (BOXES, COUNTS, SIDES) if turns else (BOXES, COUNTS)

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        options = {
            name: draw(rng, bounds, 4)
            for name, bounds in {
                "degrees": self.degrees,
                "scale": self.scale,
                "shear": self.shear,
                "right": (-self.shift, self.shift),
                "down": (-self.shift, self.shift),
            }.items()
        }
        return (Step("affine", options),)
