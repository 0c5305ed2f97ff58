"""Video by its motion: histograms of optical flow, no learned weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from ...schemas.recipe import VideoReader
from ..base import Extractor
from ..media.image import scale_to

_SIDE = 160
_STILL = 1 / 320  # of the short side: half a pixel


@dataclass(frozen=True, kw_only=True)
class Flow(Extractor):
    """Histograms of the direction of dense optical flow (Farneback 2003), over ``grid`` x ``grid``
    cells, each with the share of its pixels that stand still (Laptev et al. 2008).

    Each direction has how far the pixels of a cell move that way from one frame to the next, as a
    share of the short side of the picture, on average over pixels and pairs of frames. Less than
    1 / 320 of it is still.

    frames: evenly spaced frames that are looked at; motion is from each to the next one, so take
        many where things move fast, or cut the film first. angles: directions in [0, 360) degrees,
        to the right, and down from there. grid: cells in each direction. reader: who decodes,
        ``pyav`` or ``decord``.
    """

    modality: ClassVar[str] = "video"

    frames: int = 16
    angles: int = 8
    grid: int = 2
    reader: VideoReader = "pyav"

    def __post_init__(self) -> None:
        if not (self.frames >= 2 and 1 <= self.angles <= 360 and 1 <= self.grid <= 32):
            raise ValueError(
                "wanted at least 2 frames, 1 to 360 angles and a grid of 1 to 32, found"
                f" {self.frames}, {self.angles}, {self.grid}"
            )

    def dims(self) -> int:
        return self.grid**2 * (self.angles + 1)

    def extract(self, data: np.ndarray) -> np.ndarray:
        grays = [cv2.cvtColor(scale_to(frame, _SIDE), cv2.COLOR_RGB2GRAY) for frame in data]
        pairs = [self._of_pair(one, other) for one, other in itertools.pairwise(grays)]
        return np.asarray(np.mean(pairs, axis=0), np.float32)

    def _of_pair(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The histograms of the motion from one gray frame to the other."""
        flow = cv2.calcOpticalFlowFarneback(
            one,
            other,
            np.zeros((*one.shape, 2), np.float32),
            pyr_scale=0.5,
            levels=4,
            winsize=15,
            iterations=3,
            poly_n=5,
            poly_sigma=1.2,
            flags=0,
        ) / min(one.shape)
        length = np.hypot(flow[..., 0], flow[..., 1])
        is_still = length < _STILL
        # the first bin lies around the direction to the right
        turn = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * self.angles
        bins = np.round(turn).astype(np.int64) % self.angles
        rows, columns = (np.array_split(np.arange(size), self.grid) for size in one.shape)
        cells = []
        for row, column in itertools.product(rows, columns):
            cell = np.ix_(row, column)
            moved = np.bincount(
                bins[cell].ravel(),
                weights=np.where(is_still, 0, length)[cell].ravel(),
                minlength=self.angles,
            )
            size = max(1, len(row) * len(column))
            cells.append(np.append(moved / size, is_still[cell].sum() / size))
        return np.concatenate(cells)
