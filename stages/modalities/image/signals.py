"""What is measured of a picture, by name."""

from __future__ import annotations

from ....schemas.quantity import Quantity, share

_32_BITS = float((1 << 32) - 1)

SIGNALS = {
    "sharpness": Quantity(
        "variance of the Laplacian at a short side of 256 pixels (Pech-Pacheco 2000); a soft"
        " photograph has about 100"
    ),
    "brightness": share("mean of the grey picture"),
    "dark": share("share of pixels below 16 of 255"),
    "bright": share("share of pixels above 239 of 255"),
    "phash_high": Quantity("upper half of a perceptual hash", "", 0, _32_BITS, is_code=True),
    "phash_low": Quantity("lower half of a perceptual hash", "", 0, _32_BITS, is_code=True),
}
