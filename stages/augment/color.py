"""Copies of pictures with other colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._pictures import COLORS, PictureCopies

# of hue, and of saturation, up to which a colour keeps its name
_NAMES_STAY_DEGREES, _NAMES_STAY_FACTOR = 10.0, 0.5


@dataclass(frozen=True, kw_only=True)
class Color(PictureCopies):
    """Adds copies of each record that has a picture, with another hue, saturation and contrast.

    hue: lowest and highest turn of all hues in degrees; 120 makes red green.
    saturation: lowest and highest factor; 0 is grey.
    contrast: lowest and highest factor.
    gray: how likely a copy is made grey altogether.

    With ``only_true`` texts and targets that name colours get no copy where hues turn by more than
    10 degrees, or saturation may fall below a half.
    """

    hue: tuple[float, float] = (-10.0, 10.0)
    saturation: tuple[float, float] = (0.6, 1.4)
    contrast: tuple[float, float] = (0.8, 1.2)
    gray: float = 0.0

    def check(self) -> None:
        check_range("hue", self.hue, -180, 180)
        check_range("saturation", self.saturation, 0, 10)
        check_range("contrast", self.contrast, 0, 10)
        if not 0 <= self.gray <= 1:
            raise ValueError(f"gray: wanted a likelihood from 0 to 1, found {self.gray}")

    def spoils(self) -> tuple[str, ...]:
        is_named_alike = (
            max(map(abs, self.hue)) <= _NAMES_STAY_DEGREES
            and self.saturation[0] >= _NAMES_STAY_FACTOR
            and not self.gray
        )
        return () if is_named_alike else (COLORS,)

    def drawn(self, rng: np.random.Generator) -> tuple[Step, ...]:
        hue, saturation, contrast = (
            draw(rng, bounds, 4) for bounds in (self.hue, self.saturation, self.contrast)
        )
        if rng.random() < self.gray:
            return (Step("saturation", {"factor": 0.0}), Step("contrast", {"factor": contrast}))
        return (
            Step("hue", {"degrees": hue}),
            Step("saturation", {"factor": saturation}),
            Step("contrast", {"factor": contrast}),
        )
