"""Steps: the changes to media that are written on a part as data and carried out in the one decode
at the end.

| step         | image | video | audio | options                                             |
|--------------|-------|-------|-------|-----------------------------------------------------|
| `hflip`      |  yes  |  yes  |       |                                                     |
| `crop`       |  yes  |  yes  |       | `left`, `top`, `width`, `height`, shares of 1       |
| `brightness` |  yes  |  yes  |       | `factor`, 1 leaves it as it is                      |
| `affine`     |  yes  |  yes  |       | `degrees`, `scale`, `right`, `down`, `shear`        |
| `blur`       |  yes  |  yes  |       | `sigma`, a share of the shorter side                |
| `jpeg`       |  yes  |  yes  |       | `quality`, `side` in pixels                         |
| `grain`      |  yes  |  yes  |       | `deviation`, `side` in pixels, `seed`               |
| `erase`      |  yes  |  yes  |       | as `crop`, and `seed`                               |
| `hue`        |  yes  |  yes  |       | `degrees`                                           |
| `saturation` |  yes  |  yes  |       | `factor`, 0 is grey, 1 leaves it as it is           |
| `contrast`   |  yes  |  yes  |       | `factor`, 0 is one grey, 1 leaves it as it is       |
| `bare`       |  yes  |       |       | the file is written without what it says beside it  |
| `gain`       |       |       |  yes  | `db`                                                |
| `noise`      |       |       |  yes  | `snr_db`, `seed`                                    |

A step leaves media that it does not apply to as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...schemas.errors import DamageError
from ...schemas.record import Step

BARE_STEP = "bare"


def changing(steps: Iterable[Step]) -> list[Step]:
    """The steps that change what is seen or heard, and not the file alone."""
    return [step for step in steps if step.op != BARE_STEP]


def apply_to_pixels(pixels: np.ndarray, steps: Iterable[Step]) -> np.ndarray:
    """The image ``[H, W, 3]`` or frames ``[T, H, W, 3]`` after the steps."""
    return _apply(pixels, steps, PIXEL_STEPS)


def apply_to_samples(samples: np.ndarray, steps: Iterable[Step]) -> np.ndarray:
    """The sound ``[T]`` or ``[T, C]`` after the steps."""
    return _apply(samples, steps, SAMPLE_STEPS)


def _apply(
    array: np.ndarray, steps: Iterable[Step], known: dict[str, Callable[..., np.ndarray]]
) -> np.ndarray:
    for step in changing(steps):
        if step.op not in PIXEL_STEPS and step.op not in SAMPLE_STEPS:
            raise DamageError("unknown_step", f"no step is called {step.op!r}")
        if step.op in known:
            array = known[step.op](array, **step.options)
    return array


def _of_pictures(name: str) -> Callable[..., np.ndarray]:
    """A change of :mod:`.pixel_changes`; for sounds it need not be there."""

    def change(pixels: np.ndarray, **options: object) -> np.ndarray:
        from . import pixel_changes

        changed: Callable[..., np.ndarray] = getattr(pixel_changes, name)
        return changed(pixels, **options)

    return change


def _hflip(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[..., ::-1, :])


def _crop(pixels: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    full_height, full_width = pixels.shape[-3:-1]
    x, y = round(left * full_width), round(top * full_height)
    w, h = max(1, round(width * full_width)), max(1, round(height * full_height))
    return np.ascontiguousarray(pixels[..., y : y + h, x : x + w, :])


def _brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    table = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(table[pixels])


def _gain(samples: np.ndarray, db: float) -> np.ndarray:
    return np.asarray(np.clip(samples * np.float32(10 ** (db / 20)), -1.0, 1.0))


def _noise(samples: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """With white noise, ``snr_db`` below the power of what moves; a constant offset is no sound. A
    sum beyond full scale is turned down as a whole, so that nothing clips and the ratio holds.
    """
    offset = samples.mean(axis=0, dtype=np.float64)
    power = float(np.mean(np.square(samples - offset))) or 1e-12
    noise: np.ndarray = np.random.Generator(np.random.Philox(key=seed)).standard_normal(
        samples.shape, dtype=np.float32
    )
    noisy = samples + noise * np.float32((power / 10 ** (snr_db / 10)) ** 0.5)
    return np.asarray(noisy / max(1.0, float(np.abs(noisy).max(initial=0.0))), np.float32)


PIXEL_STEPS: dict[str, Callable[..., np.ndarray]] = {
    "hflip": _hflip,
    "crop": _crop,
    "brightness": _brightness,
    **{
        name: _of_pictures(name)
        for name in ("affine", "blur", "jpeg", "grain", "erase", "hue", "saturation", "contrast")
    },
}
SAMPLE_STEPS: dict[str, Callable[..., np.ndarray]] = {"gain": _gain, "noise": _noise}
