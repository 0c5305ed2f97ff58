"""How noisy a picture is."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import Quantity
from ....signal import Signal

# the difference of two Laplacians, which is blind to slopes and to edges of one pixel
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_GAIN = 6.0  # root of the sum of its squares
_BLOCK = 16
_SHARE = 0.1  # of the blocks: those with the least in them, where texture is not
_LIGHT = (32, 223)  # nearer to black and white noise is cut off
_FEWEST = 8
# what a tenth of the blocks of white noise stays below, of its true deviation (simulated)
_OF_WHITE_NOISE = 0.912


def noise(gray: np.ndarray) -> float | None:
    """The standard deviation of the noise of a grey picture ``uint8 [H, W]`` in levels of 255, as
    Immerkaer 1996 estimates it; None of less than a block of 16 x 16 pixels.

    Of all of a picture, the estimate takes fine texture for noise. So it is made of each block, and
    counts where a tenth of the blocks lies below it.
    """
    import cv2

    height, width = (side - side % _BLOCK for side in gray.shape)
    if not height or not width:
        return None
    found = np.abs(cv2.filter2D(gray, cv2.CV_32F, _MASK))
    each = _by_blocks(found[:height, :width]) * np.sqrt(np.pi / 2) / _GAIN
    light = _by_blocks(gray[:height, :width].astype(np.float32))
    inside = (light >= _LIGHT[0]) & (light <= _LIGHT[1])
    chosen = each[inside] if inside.sum() >= _FEWEST else each
    return float(np.quantile(chosen, _SHARE) / _OF_WHITE_NOISE)


def _by_blocks(values: np.ndarray) -> np.ndarray:
    """The means of blocks ``[N]``."""
    height, width = values.shape
    shape = (height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return np.asarray(values.reshape(shape).mean(axis=(1, 3))).ravel()


NOISE = Signal(
    name="noise",
    of="image",
    reads="full_gray",
    gives={
        "noise": Quantity(
            "standard deviation of the noise where the picture is smoothest (Immerkaer 1996); a"
            " clean photograph has about 1",
            "grey levels",
        )
    },
    function=noise,
)
