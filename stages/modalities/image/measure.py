"""What is measured of an image."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from ...media import image
from ...modality import Measured

_SIDE = 256
_HASH_SIDE = 32
_BLACK, _WHITE = 16, 239


def perceptual_hash(signals: Mapping[str, float], name: str = "") -> int:
    """The 64-bit perceptual hash from the signals of an image; ``name``: what stands before
    them.
    """
    return int(signals[f"{name}phash_high"]) << 32 | int(signals[f"{name}phash_low"])


def hash_bits(gray: np.ndarray) -> np.ndarray:
    """The 64 bits of a perceptual hash as bytes ``uint8 [8]``, from grey pixels ``[32, 32]``."""
    low = np.asarray(cv2.dct(gray.astype(np.float32)))[:8, :8].ravel()
    return np.packbits(low > np.median(low))


def measure_image(data: bytes) -> tuple[Measured, dict[str, float]]:
    """Facts (``width``, ``height``; ``likeness``: 32 x 32 RGB pixels) and signals of an
    image; DamageError where it does not decode to its end.

    ``sharpness``: variance of the Laplacian (Pech-Pacheco 2000) of the grey image scaled to a short
        side of 256 pixels.
    ``brightness``: mean of the grey image, in [0, 1]. ``dark``, ``bright``: share of pixels below
        16 and above 239 of 255.
    ``phash_high``, ``phash_low``: the halves of a 64-bit perceptual hash: signs of the 8 x 8 lowest
    DCT coefficients against their median (Zauner 2010).
    """
    width, height = image.size(data)
    pixels = image.decode(data, _SIDE)
    gray = image.scale_to(image.to_gray(pixels), _SIDE)
    bits = hash_bits(cv2.resize(gray, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA))
    histogram = np.bincount(gray.ravel(), minlength=256)
    signals = {
        "sharpness": float(np.var(cv2.Laplacian(gray, cv2.CV_32F), dtype=np.float64)),
        "brightness": float(histogram @ np.arange(256) / gray.size / 255),
        "dark": float(histogram[:_BLACK].sum() / gray.size),
        "bright": float(histogram[_WHITE + 1 :].sum() / gray.size),
        "phash_high": float(int.from_bytes(bits[:4].tobytes(), "big")),
        "phash_low": float(int.from_bytes(bits[4:].tobytes(), "big")),
    }
    thumbnail = cv2.resize(pixels, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    return {"width": width, "height": height, "likeness": thumbnail}, signals
