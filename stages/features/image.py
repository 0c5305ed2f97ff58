"""Images by their colours and edges: histograms over a grid, no learned weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from ..base import Extractor
from ..media.image import scale_to

_SIDE = 192


@dataclass(frozen=True, kw_only=True)
class Image(Extractor):
    """Colour histograms and histograms of oriented gradients (Dalal & Triggs 2005) over ``grid`` x
    ``grid`` cells, each cell of length 1.

    grid: cells in each direction. colours: bins for each of hue, saturation and value. angles: bins
        of gradient direction in [0, 180) degrees.
    """

    version: ClassVar[int] = 2
    modality: ClassVar[str] = "image"

    grid: int = 4
    colours: int = 8
    angles: int = 9

    def __post_init__(self) -> None:
        if not (1 <= self.grid <= 32 and 2 <= self.colours <= 256 and 1 <= self.angles <= 180):
            raise ValueError(
                "wanted a grid of 1 to 32, 2 to 256 colours and 1 to 180 angles, found"
                f" {self.grid}, {self.colours}, {self.angles}"
            )

    def dims(self) -> int:
        return self.grid**2 * (3 * self.colours + self.angles)

    def extract(self, data: np.ndarray) -> np.ndarray:
        pixels = cv2.resize(scale_to(data, _SIDE), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        across, down = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        strength, angle = cv2.cartToPolar(across, down, angleInDegrees=True)
        colour_bins = (hsv.astype(np.int32) * self.colours) >> 8
        angle_bins = np.minimum(
            (angle % 180 * (self.angles / 180)).astype(np.int32), self.angles - 1
        )
        side = _SIDE // self.grid
        cells = []
        for top in range(0, side * self.grid, side):
            for left in range(0, side * self.grid, side):
                window = (slice(top, top + side), slice(left, left + side))
                pieces = [
                    np.bincount(colour_bins[window][..., channel].ravel(), minlength=self.colours)
                    / side**2
                    for channel in range(3)
                ]
                edges = np.bincount(
                    angle_bins[window].ravel(),
                    weights=strength[window].ravel(),
                    minlength=self.angles,
                )
                pieces.append(edges / (np.linalg.norm(edges) + 1e-6))
                cell = np.concatenate(pieces)
                cells.append(cell / (np.linalg.norm(cell) + 1e-6))
        return np.concatenate(cells).astype(np.float32)
