"""Images by their texture: local binary patterns, no learned weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from ..base import Extractor
from ..media.image import scale_to

_SIDE = 192
# interpolation between equal pixels is off by less, and between unequal ones of 8 bits by more
_EQUAL = 1e-3


@dataclass(frozen=True, kw_only=True)
class Lbp(Extractor):
    """Histograms of uniform local binary patterns over ``grid`` x ``grid`` cells, each of sum 1
    (Ojala, Pietikainen & Maenpaa 2002).

    A pattern says which of ``points`` neighbours on a circle are as bright as the pixel in their
    middle, or brighter. With at most two changes around the circle it is uniform, and has a bin by
    its number of such neighbours; all others share the last.

    radius: of the circle in pixels of the picture, whose short side is scaled down to 192.
    points: neighbours, between pixels interpolated. grid: cells in each direction.
    rotated: whether turned patterns are one (``points + 2`` bins, riu2); else each direction has a
        bin of its own (``points * (points - 1) + 3``, u2).
    """

    modality: ClassVar[str] = "image"

    radius: float = 1.0
    points: int = 8
    grid: int = 2
    rotated: bool = True

    def __post_init__(self) -> None:
        if not (1 <= self.radius <= 16 and 4 <= self.points <= 24 and 1 <= self.grid <= 32):
            raise ValueError(
                "wanted a radius of 1 to 16, 4 to 24 points and a grid of 1 to 32, found"
                f" {self.radius}, {self.points}, {self.grid}"
            )

    def bins(self) -> int:
        """How many patterns are told apart."""
        return self.points + 2 if self.rotated else self.points * (self.points - 1) + 3

    def dims(self) -> int:
        return self.grid**2 * self.bins()

    def extract(self, data: np.ndarray) -> np.ndarray:
        gray = cv2.cvtColor(scale_to(data, _SIDE), cv2.COLOR_RGB2GRAY)
        patterns = self.patterns(gray)
        cells = [
            np.bincount(cell.ravel(), minlength=self.bins()) / max(1, cell.size)
            for rows in np.array_split(patterns, self.grid)
            for cell in np.array_split(rows, self.grid, axis=1)
        ]
        return np.concatenate(cells).astype(np.float32)

    def patterns(self, gray: np.ndarray) -> np.ndarray:
        """The bin of each pixel ``int64 [H, W]`` of a gray picture, which is mirrored beyond its
        edges.
        """
        brighter = self._brighter(gray)
        before = np.roll(brighter, 1, axis=0)
        count = brighter.sum(0)
        is_uniform = (brighter != before).sum(0) <= 2
        if self.rotated:
            return np.where(is_uniform, count, self.points + 1)
        # the run of brighter neighbours begins where one follows a darker one
        begin = np.argmax(brighter & ~before, axis=0)
        bins = np.where(count == 0, 0, 1 + (count - 1) * self.points + begin)
        bins = np.where(count == self.points, self.bins() - 2, bins)
        return np.where(is_uniform, bins, self.bins() - 1)

    def _brighter(self, gray: np.ndarray) -> np.ndarray:
        """Whether each neighbour is as bright as its pixel ``bool [points, H, W]``, from the right
        on and against the clock.
        """
        border = int(np.ceil(self.radius)) + 1
        padded = np.pad(gray.astype(np.float32), border, mode="reflect")
        height, width = gray.shape
        found = np.empty((self.points, height, width), bool)
        for place, angle in enumerate(2 * np.pi * np.arange(self.points) / self.points):
            down = border - round(self.radius * float(np.sin(angle)), 5)
            right = border + round(self.radius * float(np.cos(angle)), 5)
            top, left = int(np.floor(down)), int(np.floor(right))
            part_y, part_x = down - top, right - left
            window = padded[top : top + height + 1, left : left + width + 1]
            across = (1 - part_x) * window[:, :-1] + part_x * window[:, 1:]
            neighbour = (1 - part_y) * across[:-1] + part_y * across[1:]
            found[place] = neighbour >= gray - _EQUAL
        return found
