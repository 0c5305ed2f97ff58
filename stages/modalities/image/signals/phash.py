"""What a picture looks like, in 64 bits, so that those that look alike are found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal

_SIDE = 32
_32_BITS = float((1 << 32) - 1)


def phash(gray: np.ndarray) -> dict[str, float]:
    """The halves of a 64-bit perceptual hash (Zauner 2010) of a grey picture ``uint8 [H, W]``."""
    import cv2

    bits = hash_bits(cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    return {
        "phash_high": float(int.from_bytes(bits[:4].tobytes(), "big")),
        "phash_low": float(int.from_bytes(bits[4:].tobytes(), "big")),
    }


def hash_bits(gray: np.ndarray) -> np.ndarray:
    """The 64 bits of a perceptual hash as bytes ``uint8 [8]``, from grey pixels ``[32, 32]``: signs
    of the 8 x 8 lowest DCT coefficients against their median.
    """
    import cv2

    low = np.asarray(cv2.dct(gray.astype(np.float32)))[:8, :8].ravel()
    return np.packbits(low > np.median(low))


def perceptual_hash(signals: Mapping[str, float], name: str = "") -> int:
    """The 64-bit perceptual hash from the signals of an image; ``name``: what stands before
    them.
    """
    return int(signals[f"{name}phash_high"]) << 32 | int(signals[f"{name}phash_low"])


PHASH = Signal(
    name="phash",
    of="image",
    reads="gray",
    gives={
        "phash_high": Quantity("upper half of a perceptual hash", "", 0, _32_BITS, is_code=True),
        "phash_low": Quantity("lower half of a perceptual hash", "", 0, _32_BITS, is_code=True),
    },
    function=phash,
    on_request=False,
)
