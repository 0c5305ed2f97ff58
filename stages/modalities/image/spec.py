"""An image as a row of a batch: decoded, cut to a square, mirrored, normalised."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
import simplejpeg

from ....schemas import checks
from ...media import image as images
from ...media.steps import apply_to_pixels
from ...spec import MIDDLE, Draws, Spec, Transform, of_kind

ImageCrop: TypeAlias = Literal["random", "random_resized", "center", "squash"]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CROP_TRIES = 10
_SCRATCH_BYTES = 1 << 20
_of_thread = threading.local()


@dataclass(frozen=True, kw_only=True)
class ImageSpec(Spec):
    """An image as ``uint8 [size, size, 3]`` (RGB), or normalised as ``float32 [3, size, size]``.

    crop: ``random`` square of ``size`` pixels; ``random_resized``, a square scaled from 8 to 100 %
    of the area and 3/4 to 4/3 of the aspect (Szegedy et al. 2015, *Going Deeper with
    Convolutions*); ``center``; ``squash`` to a square. Images smaller than ``size`` are scaled up
    to it; with ``center`` and ``squash`` larger ones are scaled down. flip: mirror half of the
    images.
    normalize: mean and standard deviation of each channel, of values in [0, 1]: ``(IMAGENET_MEAN,
        IMAGENET_STD)``.
    """

    size: int = 224
    crop: ImageCrop = "center"
    flip: bool = False
    normalize: tuple[Sequence[float], Sequence[float]] | None = None
    transform: Transform | None = None

    modality = "image"
    makes_copies = True

    def __post_init__(self) -> None:
        checks.whole("ImageSpec: size", self.size, 1)
        checks.choice("ImageSpec: crop", self.crop, ImageCrop)
        checks.function("ImageSpec: transform", self.transform)
        checks.flag("ImageSpec: flip", self.flip)
        if self.normalize is not None:
            checks.normalization("ImageSpec: normalize", self.normalize)

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (
            ((self.size, self.size, 3), "uint8")
            if self.normalize is None
            else ((3, self.size, self.size), "float32")
        )

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``."""
        window = self._cut(self._decode(data, draws), draws)
        mirror = self.flip and draws.uniform[2] < 0.5
        if self.normalize is None:
            out[:] = window[:, ::-1] if mirror else window
            return 1
        window = cv2.flip(window, 1) if mirror else window
        for plane, values, row in zip(
            cv2.split(window), _normal_tables(*self.normalize), out, strict=True
        ):
            cv2.LUT(plane, values, dst=row)
        return 1

    def _decode(self, data: bytes, draws: Draws) -> np.ndarray:
        if self.transform is not None or draws.copy is not None:
            pixels = images.decode(data)
            if draws.copy is not None:
                pixels = apply_to_pixels(pixels, draws.copy.steps)
            if self.transform is not None:
                changed = self.transform(pixels, draws.generator())
                pixels = of_kind(changed, "uint8", (None, None, 3))
            return pixels
        if data[:3] == b"\xff\xd8\xff" and not images.has_exif(data):
            least = 0 if self.crop.startswith("random") else self.size
            for buffer in (_scratch(), None):
                # too large for the buffer, or no JPEG of the common kinds
                with contextlib.suppress(ValueError):
                    scaled: np.ndarray = simplejpeg.decode_jpeg(
                        data, "RGB", min_height=least, min_width=least, buffer=buffer
                    )
                    return scaled
        return images.decode(data)

    def _cut(self, pixels: np.ndarray, draws: Draws = MIDDLE) -> np.ndarray:
        height, width = pixels.shape[:2]
        size = self.size
        if self.crop == "random" and height >= size and width >= size:
            y, x = (
                int(draws.uniform[0] * (height - size + 1)),
                int(draws.uniform[1] * (width - size + 1)),
            )
            return pixels[y : y + size, x : x + size]
        if self.crop == "random_resized":
            y, x, tall, wide = _inception_crop(height, width, draws.generator())
            way = cv2.INTER_LINEAR if tall < 2 * size else cv2.INTER_AREA
            return cv2.resize(pixels[y : y + tall, x : x + wide], (size, size), interpolation=way)
        if self.crop == "squash":
            return (
                pixels
                if (height, width) == (size, size)
                else cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
            )
        return images.resize_crop(pixels, size)


def _scratch() -> bytearray:
    """This thread's memory for the pixels of an image that is cut at once: fresh memory for each
    costs 5 to 10 % of decoding it.
    """
    try:
        scratch: bytearray = _of_thread.scratch
    except AttributeError:
        scratch = _of_thread.scratch = bytearray(_SCRATCH_BYTES)
    return scratch


def _inception_crop(
    height: int, width: int, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop of random area and aspect; the largest middle one after
    ten tries that do not fit.
    """
    for _ in range(_CROP_TRIES):
        area = height * width * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return (
                int(random.integers(0, height - tall + 1)),
                int(random.integers(0, width - wide + 1)),
                tall,
                wide,
            )
    wide, tall = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


_tables: dict[tuple[tuple[float, ...], tuple[float, ...]], list[np.ndarray]] = {}


def _normal_tables(mean: Sequence[float], std: Sequence[float]) -> list[np.ndarray]:
    """For each channel, the normalised value of every byte ``float32 [256]``."""
    key = (tuple(mean), tuple(std))
    if key not in _tables:
        levels = np.arange(256, dtype=np.float32) / 255
        _tables[key] = [
            ((levels - m) / s).astype(np.float32) for m, s in zip(mean, std, strict=True)
        ]
    return _tables[key]
