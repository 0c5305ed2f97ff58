"""Pixels of other depths and with transparency, brought to what a screen shows: 8 bits, opaque."""

from __future__ import annotations

import numpy as np

from ...schemas.errors import DamageError

_DEPTHS = (8, 10, 12, 14, 16)
_NEARLY_WHITE = 224.0
_SEEN = 16


def to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers or floats of any range as ``uint8``; DamageError where some are not finite.

    Whole numbers are taken to be of 8, 10, 12, 14 or 16 bits, the least that hold them all: cameras
    and scanners store 12 bits in 16. Floats are taken to run from 0 to 1, else from 0 to 255. Any
    other range is stretched from the lowest number to the highest.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if not np.isfinite(pixels).all():
        raise DamageError("image_not_finite", "some pixels are no finite numbers")
    low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
    tops = (1, 255) if pixels.dtype.kind == "f" else tuple((1 << bits) - 1 for bits in _DEPTHS)
    top = float(next((top for top in tops if high <= top), 0))
    if low < 0 or high > top:
        low, top = float(pixels.min()), high
    else:
        low = 0.0
    return np.asarray(
        ((pixels.astype(np.float32) - low) * (255.0 / max(top - low, 1e-12)) + 0.5)
        .clip(0, 255)
        .astype(np.uint8)
    )


def flattened(pixels: np.ndarray) -> np.ndarray:
    """RGBA ``uint8 [H, W, 4]`` laid on white as ``[H, W, 3]``; on black where all that can be seen
    of it is nearly white, as many icons are.
    """
    alpha = pixels[:, :, 3:]
    seen = alpha[:, :, 0] >= _SEEN
    if seen.all() and int(alpha.min(initial=255)) == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    ground = 0 if seen.any() and float(pixels[:, :, :3][seen].mean()) > _NEARLY_WHITE else 255
    share = alpha.astype(np.float32) / 255
    return np.asarray((pixels[:, :, :3] * share + ground * (1 - share) + 0.5).astype(np.uint8))
