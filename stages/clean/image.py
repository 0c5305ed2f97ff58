"""Images: decodable to the end, large enough, not too long and thin, sharp enough, not too dark or too bright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from ...schemas.record import Modality
from ..media import image
from ._rules import JudgesParts, Rule

MEASURE_VERSION = 3
_SIDE = 256
_HASH_SIDE = 32
_BLACK, _WHITE = 16, 239


def measure(data: bytes) -> tuple[dict[str, Any], dict[str, float]]:
    """Facts (``width``, ``height``; ``thumbnail``: 32 x 32 RGB pixels as bytes) and signals of an image; DamageError where it does not decode
    to its end.

    ``sharpness``: variance of the Laplacian (Pech-Pacheco 2000) of the grey image scaled to a short side of 256 pixels.
    ``brightness``: mean of the grey image, in [0, 1]. ``dark``, ``bright``: share of pixels below 16 and above 239 of 255.
    ``phash_high``, ``phash_low``: the halves of a 64-bit perceptual hash: signs of the 8 x 8 lowest DCT coefficients
    against their median (Zauner 2010).
    """
    width, height = image.size(data)
    pixels = image.decode(data, _SIDE)
    gray = image.scale_to(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), _SIDE)
    low = np.asarray(cv2.dct(cv2.resize(gray, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)))[:8, :8].ravel()
    bits = np.packbits(low > np.median(low))
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
    return {"width": width, "height": height, "thumbnail": thumbnail.tobytes()}, signals


@dataclass(frozen=True, kw_only=True)
class Image(JudgesParts):
    """Rejects records whose image breaks a rule, or takes only the image away.

    min_side, max_side: pixels of the shorter and the longer side.
    max_aspect: longer side over shorter side.
    min_sharpness: variance of the Laplacian at a short side of 256 pixels; about 100 for a soft photograph.
    max_dark, max_bright: share of nearly black and nearly white pixels.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[Modality] = "image"
    needs: ClassVar[tuple[Modality, ...]] = ("image",)

    min_side: int = 1
    max_side: int = 100_000
    max_aspect: float = 100.0
    min_sharpness: float = 0.0
    max_dark: float = 1.0
    max_bright: float = 1.0
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("image_too_small", "min_side", lambda part, _: min(part.width or 0, part.height or 0), self.min_side, None),
            Rule("image_too_large", "max_side", lambda part, _: max(part.width or 0, part.height or 0), None, self.max_side),
            Rule("image_too_long", "max_aspect", lambda part, _: _aspect(part.width, part.height), None, self.max_aspect),
            Rule("image_blurred", "min_sharpness", lambda _, signal: signal("sharpness"), self.min_sharpness, None),
            Rule("image_dark", "max_dark", lambda _, signal: signal("dark"), None, self.max_dark),
            Rule("image_bright", "max_bright", lambda _, signal: signal("bright"), None, self.max_bright),
        ]


def _aspect(width: int | None, height: int | None) -> float:
    return max(width or 1, height or 1) / max(1, min(width or 1, height or 1))
