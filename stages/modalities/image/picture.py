"""A picture, decoded once for all that is measured of it."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from ....schemas.arrays import Uint8s
from ...media import image

_SIDE = 256
_THUMBNAIL = (32, 32)


class Picture:
    """A picture of a file; what is made of it is made when it is first asked for. DamageError where
    it does not decode to its end.

    data: the bytes of the file. width, height: as shown. pixels: RGB ``uint8 [H, W, 3]``, a JPEG
        perhaps smaller than it is, but not below a short side of 256 pixels. small: the same,
        scaled to a short side of 256. gray: grey ``uint8 [h, w]``, scaled alike. full_gray: grey
        and never scaled, for what sits in single pixels; a large JPEG is decoded once more for it.
        histogram: how many pixels of ``gray`` have each value, ``int64 [256]``. thumbnail: RGB
        ``uint8 [32, 32, 3]``.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.width, self.height = image.size(data)
        self.pixels: Uint8s = image.decode(data, _SIDE)

    @functools.cached_property
    def small(self) -> Uint8s:
        return image.scale_to(self.pixels, _SIDE)

    @functools.cached_property
    def full_gray(self) -> Uint8s:
        is_full = self.pixels.shape[:2] == (self.height, self.width)
        return image.to_gray(self.pixels if is_full else image.decode(self.data))

    @functools.cached_property
    def gray(self) -> Uint8s:
        return image.scale_to(image.to_gray(self.pixels), _SIDE)

    @functools.cached_property
    def histogram(self) -> np.ndarray:
        return np.bincount(self.gray.ravel(), minlength=256)

    @functools.cached_property
    def thumbnail(self) -> Uint8s:
        return np.asarray(cv2.resize(self.pixels, _THUMBNAIL, interpolation=cv2.INTER_AREA))
