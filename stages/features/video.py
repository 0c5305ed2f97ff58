"""Video by its frames: image features of each frame, and how much changes between them; or of each
frame alone, in order. No learned weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np

from ...schemas.recipe import VideoReader
from ..base import Extractor
from ._sequences import LONGEST, check_longest
from .image import Image

_GRID = 4


@dataclass(frozen=True, kw_only=True)
class Video(Extractor):
    """Mean and standard deviation over ``frames`` frames of the image features, and the mean change
    of each of 4 x 4 cells.

    frames: evenly spaced frames that are looked at. grid, colours, angles: as for images. reader:
        who decodes, ``pyav`` or ``decord``.
    pool: ``mean_std``, or ``none`` for the sequence of the frames' image features, without the
        change. longest: how many frames of it are kept, from the beginning on.
    """

    version: ClassVar[int] = 2
    modality: ClassVar[str] = "video"
    later: ClassVar[frozenset[str]] = frozenset({"pool", "longest"})

    frames: int = 8
    grid: int = 2
    colours: int = 8
    angles: int = 9
    reader: VideoReader = "pyav"
    pool: Literal["mean_std", "none"] = "mean_std"
    longest: int = LONGEST

    def __post_init__(self) -> None:
        check_longest(self.longest, self.pool == "none")

    def _image(self) -> Image:
        return Image(grid=self.grid, colours=self.colours, angles=self.angles)

    def dims(self) -> int:
        if self.pool == "none":
            return self._image().dims()
        return 2 * self._image().dims() + _GRID**2

    def sequence_limit(self) -> int | None:
        return self.longest if self.pool == "none" else None

    def extract(self, data: np.ndarray) -> np.ndarray:
        of_image = self._image()
        each = np.stack([of_image.extract(frame) for frame in data])
        if self.pool == "none":
            return each
        small = np.stack(
            [
                cv2.resize(
                    cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA
                )
                for frame in data
            ]
        ).astype(np.float32)
        change = (
            np.abs(np.diff(small, axis=0)).mean(0)
            if len(small) > 1
            else np.zeros((64, 64), np.float32)
        )
        cells = change.reshape(_GRID, 64 // _GRID, _GRID, 64 // _GRID).mean((1, 3)).ravel() / 255
        return np.concatenate([each.mean(0), each.std(0), cells]).astype(np.float32)
