"""Changes of pictures and frames, as steps carry them out. Lengths are shares of the picture, so
that a picture and a smaller copy of it are changed alike.

Each takes an image ``uint8 [H, W, 3]`` or frames ``uint8 [T, H, W, 3]``, all of which change alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from . import image

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_STRIP = 16_384  # pixels


def affine(
    pixels: np.ndarray,
    degrees: float = 0.0,
    scale: float = 1.0,
    right: float = 0.0,
    down: float = 0.0,
    shear: float = 0.0,
) -> np.ndarray:
    """Turned clockwise by ``degrees``, enlarged ``scale`` times, slanted by ``shear`` degrees, all
    about the middle, then moved by shares of width and height. What comes in at the edges is the
    picture mirrored there.
    """
    height, width = pixels.shape[-3:-1]
    turn, slant = np.deg2rad(degrees), np.tan(np.deg2rad(shear))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = scale * turned @ np.array([[1.0, slant], [0.0, 1.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = middle - matrix @ middle + np.array([right * width, down * height])
    return _each(
        pixels,
        lambda one: cv2.warpAffine(
            one,
            np.hstack([matrix, moved[:, None]]),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
    )


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred by a Gaussian whose deviation is this share of the shorter side."""
    deviation = sigma * min(pixels.shape[-3:-1])
    # what is narrower changes no pixel by half a level
    if deviation < 0.1:
        return pixels
    return _each(pixels, lambda one: cv2.GaussianBlur(one, (0, 0), deviation))


def jpeg(pixels: np.ndarray, quality: int, side: int) -> np.ndarray:
    """What JPEG of this quality leaves of it at a short side of ``side`` pixels at most; of a
    larger one its blocks would be gone once it is scaled down.
    """
    return _each(
        pixels,
        lambda one: image.decode(image.encode_jpeg(image.scale_to(one, side), quality)),
    )


def grain(pixels: np.ndarray, deviation: float, side: int, seed: int) -> np.ndarray:
    """With white noise of this deviation in levels of 255, at a short side of ``side`` pixels at
    most; in a larger one it would be gone once it is scaled down. Each frame has its own.
    """
    scaled = _each(pixels, lambda one: image.scale_to(one, side))
    random = np.random.Generator(np.random.Philox(key=seed))

    def noisy(one: np.ndarray) -> np.ndarray:
        noise = random.standard_normal(one.shape, dtype=np.float32)
        return _whole(one + np.float32(deviation) * noise)

    return _each(scaled, noisy)


def erase(
    pixels: np.ndarray, left: float, top: float, width: float, height: float, seed: int
) -> np.ndarray:
    """With a rectangle of random values (Zhong 2020), of each frame the same."""
    full_height, full_width = pixels.shape[-3:-1]
    x, y = round(left * full_width), round(top * full_height)
    w, h = max(1, round(width * full_width)), max(1, round(height * full_height))
    erased = pixels.copy()
    hole = erased[..., y : y + h, x : x + w, :]
    random = np.random.Generator(np.random.Philox(key=seed))
    hole[...] = random.integers(0, 256, hole.shape[-3:], dtype=np.uint8)
    return erased


def hflip(pixels: np.ndarray) -> np.ndarray:
    """Mirrored, left to right."""
    return np.asarray(cv2.flip(_rows(pixels), 1)).reshape(pixels.shape)


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """With all values times ``factor``."""
    return _looked_up(pixels, _whole(np.arange(256.0) * factor))


def hue(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """With all hues (HSV) turned by so much."""
    turn = math.remainder(degrees, 360)

    def turned(values: np.ndarray) -> np.ndarray:
        values /= np.float32(255)
        hsv = np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2HSV))
        hues = hsv[..., 0] + np.float32(turn)
        # as % does it, in a tenth of its time
        if turn < 0:
            np.add(hues, 360, out=hues, where=hues < 0)
        else:
            np.subtract(hues, 360, out=hues, where=hues >= 360)
        hsv[..., 0] = hues
        values = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
        values *= np.float32(255)
        return values

    return _in_strips(pixels, turned)


def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Between grey (``factor`` 0), itself (1) and beyond."""

    def drawn(values: np.ndarray) -> np.ndarray:
        red, green, blue = (
            channel * np.float32(weight)
            for channel, weight in zip(cv2.split(values), _LUMA, strict=True)
        )
        red += green
        red += blue
        gray = np.asarray(cv2.merge([red] * 3))
        values -= gray
        values *= np.float32(factor)
        values += gray
        return values

    return _in_strips(pixels, drawn)


def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Between its mean grey (``factor`` 0), itself (1) and beyond."""
    means = np.array(cv2.sumElems(_rows(pixels))[:3]) / (pixels.size // 3)
    middle = float(means @ np.array(_LUMA))
    return _looked_up(pixels, _whole(middle + factor * (np.arange(256) - middle)))


def _looked_up(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """With the value in the table ``uint8 [256]`` in the place of each."""
    return np.asarray(cv2.LUT(_rows(pixels), table)).reshape(pixels.shape)


def _in_strips(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Changed as ``float32 [h, W, 3]``, some rows at a time: all that is made on the way then stays
    in the cache of the core, which takes a fifth of the time.
    """
    rows = _rows(pixels)
    changed = np.empty_like(rows)
    step = max(1, _STRIP // rows.shape[1])
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        changed[part] = _whole(change(rows[part].astype(np.float32)))
    return changed.reshape(pixels.shape)


def _rows(pixels: np.ndarray) -> np.ndarray:
    """The rows ``[N, W, 3]`` of the picture, or of all frames one below the other."""
    return pixels.reshape(-1, pixels.shape[-2], 3)


def _each(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The image, or each of the frames, changed."""
    if pixels.ndim == 3:
        return np.asarray(change(pixels))
    return np.stack([np.asarray(change(frame)) for frame in pixels])


def _whole(values: np.ndarray) -> np.ndarray:
    """Rounded to ``uint8``; the values given are not kept."""
    values += 0.5
    return np.asarray(values.clip(0, 255, out=values).astype(np.uint8))
