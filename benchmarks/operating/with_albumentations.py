"""The rates of albumentations. INPUTS [ONLY]

Parameters are drawn before the time begins, as modalmill's steps are, but for white noise, which
both draw as they add it. Films go frame by frame, each with the same parameters.
"""

from __future__ import annotations

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np
from _rates import DRAWS, Told, started
from albumentations import (
    Affine,
    BasicTransform,
    ColorJitter,
    Erasing,
    GaussianBlur,
    GaussNoise,
    HorizontalFlip,
    ImageCompression,
    RandomBrightnessContrast,
    RandomCrop,
    SmallestMaxSize,
)

Drawn = list[tuple[BasicTransform, dict[str, object] | None]]
_SIDE = 256


def chains(height: int, width: int) -> dict[str, list[BasicTransform]]:
    """Operator -> the transforms that do the same, with modalmill's ranges. Of crops the middle of
    what is drawn is taken, for this size cannot be drawn.
    """
    short = min(height, width)
    small = SmallestMaxSize(_SIDE, interpolation=cv2.INTER_AREA)
    darker = RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0, p=1)
    return {
        "augment.affine": [
            Affine(
                scale=(0.9, 1.1),
                translate_percent=(-0.05, 0.05),
                rotate=(-10, 10),
                mode=cv2.BORDER_REFLECT_101,
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            )
        ],
        "augment.blur": [
            # as wide as OpenCV makes it by itself; left open it is three pixels wide
            GaussianBlur(
                blur_limit=tuple(round(share * short * 6) // 2 * 2 + 1 for share in (0.002, 0.01)),
                sigma_limit=(0.002 * short, 0.01 * short),
                p=1,
            )
        ],
        "augment.color": [
            ColorJitter(brightness=0, contrast=0.2, saturation=0.4, hue=(-10 / 360, 10 / 360), p=1)
        ],
        "augment.crop": [RandomCrop(round(0.8 * height), round(0.8 * width), p=1)],
        "augment.erase": [Erasing(scale=(0.02, 0.33), ratio=(0.3, 3.3), fill="random", p=1)],
        "augment.flip": [HorizontalFlip(p=1)],
        "augment.grain": [small, GaussNoise(std_range=(5 / 255, 20 / 255), p=1)],
        "augment.jitter": [RandomCrop(round(0.8 * height), round(0.8 * width), p=1), darker],
        "augment.jpeg": [small, ImageCompression(quality_range=(10, 50), p=1)],
    }


def drawn(chain: list[BasicTransform], picture: np.ndarray) -> Drawn:
    """The transforms with what they drew for a picture; None where they are to draw it anew."""
    found: Drawn = []
    for transform in chain:
        picture = transform(image=picture)["image"]
        is_noise = isinstance(transform, GaussNoise)
        found.append((transform, None if is_noise else dict(transform.params)))
    return found


def carry_out(item: tuple[np.ndarray, Drawn]) -> np.ndarray:
    picture, chain = item
    for transform, parameters in chain:
        result = (
            transform(image=picture)
            if parameters is None
            else transform.apply_with_params(parameters, image=picture)
        )
        picture = result["image"]
    return picture


def carry_out_on_frames(item: tuple[np.ndarray, Drawn]) -> np.ndarray:
    frames, chain = item
    return np.stack([carry_out((frame, chain)) for frame in frames])


def main() -> None:
    cv2.setNumThreads(0)
    inputs, told = started()
    of_media(told, "pictures", inputs.pictures)
    of_media(told, "films", inputs.films)
    told.print("albumentations", "opencv-python-headless")


def of_media(told: Told, medium: str, media: list[np.ndarray]) -> None:
    is_film = media[0].ndim == 4
    for operator, chain in chains(*media[0].shape[-3:-1]).items():
        called = ", ".join(type(each).__name__ for each in chain)
        items = [(own, drawn(chain, own[0] if is_film else own)) for own in media * DRAWS]
        work = carry_out_on_frames if is_film else carry_out
        told.measure(f"{medium}|{operator}", called, work, items, len(media[0]) if is_film else 1.0)


if __name__ == "__main__":
    main()
