"""Copies of pictures cropped and lightened or darkened at random."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.record import Record, Step
from ..modality import modality
from ._copies import DrawnCopies, copy_of, with_step


@dataclass(frozen=True, kw_only=True)
class Jitter(DrawnCopies):
    """Adds copies of each record that has a picture, all its pictures cropped alike and made
    brighter or darker alike.

    crop: smallest share of width and height that a crop keeps.
    brightness: lowest and highest factor.
    """

    crop: float = 0.8
    brightness: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop: wanted a share in (0, 1], found {self.crop}")

        if not 0 < self.brightness[0] <= self.brightness[1]:
            raise ValueError(
                f"brightness: wanted the lowest factor, then the highest, found {self.brightness}"
            )

    def copies_of(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:
        pictures = [
            name for name, part in record.parts.items() if modality(part.modality).has_pixels
        ]
        if not pictures:
            return ()
        copies = []
        for number in range(1, self.copies + 1):
            width, height = (round(float(rng.uniform(self.crop, 1.0)), 4) for _ in range(2))
            left, top = (
                round(float(rng.uniform(0, 1 - width)), 4),
                round(float(rng.uniform(0, 1 - height)), 4),
            )
            factor = round(float(rng.uniform(*self.brightness)), 4)
            parts = dict(record.parts)
            for name in pictures:
                cropped = with_step(
                    parts[name],
                    Step("crop", {"left": left, "top": top, "width": width, "height": height}),
                )
                parts[name] = with_step(cropped, Step("brightness", {"factor": factor}))
            copies.append(replace(copy_of(record, "jitter", number), parts=parts))
        return copies
