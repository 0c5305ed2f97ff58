"""Steps: the changes to media that are written on a part as data and carried out in the one decode
at the end.

| step          | image | video | audio | options                                             |
|---------------|-------|-------|-------|-----------------------------------------------------|
| `hflip`       |  yes  |  yes  |       |                                                     |
| `crop`        |  yes  |  yes  |       | `left`, `top`, `width`, `height`, shares of 1       |
| `brightness`  |  yes  |  yes  |       | `factor`, 1 leaves it as it is                      |
| `affine`      |  yes  |  yes  |       | `degrees`, `scale`, `right`, `down`, `shear`        |
| `blur`        |  yes  |  yes  |       | `sigma`, a share of the shorter side                |
| `jpeg`        |  yes  |  yes  |       | `quality`, `side` in pixels                         |
| `grain`       |  yes  |  yes  |       | `deviation`, `side` in pixels, `seed`               |
| `erase`       |  yes  |  yes  |       | as `crop`, and `seed`                               |
| `hue`         |  yes  |  yes  |       | `degrees`                                           |
| `saturation`  |  yes  |  yes  |       | `factor`, 0 is grey, 1 leaves it as it is           |
| `contrast`    |  yes  |  yes  |       | `factor`, 0 is one grey, 1 leaves it as it is       |
| `drop_frames` |       |  yes  |       | `share`, `seed`                                     |
| `bare`        |  yes  |       |       | the file is written without what it says beside it  |
| `mono`        |       |       |  yes  | `take`: `mean`, `left` or `right`                   |
| `resample`    |       |       |  yes  | `rate_hz`                                           |
| `gain`        |       |       |  yes  | `db`                                                |
| `noise`       |       |       |  yes  | `snr_db`, `seed`                                    |
| `loudness`    |       |       |  yes  | `lufs`, `peak_dbtp`                                 |
| `speed`       |       |  yes  |  yes  | `factor`, `keep_pitch`                              |
| `pitch`       |       |       |  yes  | `semitones`                                         |
| `filter`      |       |       |  yes  | `highpass_hz`, `lowpass_hz`                         |
| `reverb`      |       |       |  yes  | `decay_s`, `direct_db`, `seed`                      |
| `response`    |       |       |  yes  | `path`, `hash`, of an impulse response              |
| `mix`         |       |       |  yes  | `path`, `hash`, `snr_db`, `begin`, a share          |
| `mask`        |       |       |  yes  | `bands` in hertz; `spans` and `most`, a share       |

A step leaves media that it does not apply to as they are. ``mono`` and ``resample`` say how a sound
is read, and come before all others. ``speed`` leaves the frames of a film as they are: their times
are divided by ``Part.pace`` where they are written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from ...schemas.errors import DamageError
from ...schemas.record import Step
from .sound_steps import READ_STEPS, SAMPLE_STEPS, WithNote

BARE_STEP = "bare"


def changing(steps: Iterable[Step]) -> list[Step]:
    """The steps that change what is seen or heard, and not the file alone."""
    return [step for step in steps if step.op != BARE_STEP]


def apply_to_pixels(pixels: np.ndarray, steps: Iterable[Step]) -> np.ndarray:
    """The image ``[H, W, 3]`` or frames ``[T, H, W, 3]`` after the steps."""
    for step in _known(steps):
        if step.op in PIXEL_STEPS:
            pixels = PIXEL_STEPS[step.op](pixels, **step.options)
    return pixels


def apply_to_samples(samples: np.ndarray, rate_hz: int, steps: Iterable[Step]) -> np.ndarray:
    """The sound ``[T]`` or ``[T, C]`` at this rate after the steps, but for those that say how it
    is read, which ``Sound.read_by`` carries out.
    """
    return apply_with_notes(samples, rate_hz, steps).samples


def apply_with_notes(samples: np.ndarray, rate_hz: int, steps: Iterable[Step]) -> WithNote:
    """The same, and what the steps have to say of it; the last of them, where several have."""
    note = ""
    for step in _known(steps):
        if step.op in SAMPLE_STEPS:
            changed = SAMPLE_STEPS[step.op](samples, rate_hz, **step.options)
            samples, note = changed if isinstance(changed, WithNote) else (changed, note)
    return WithNote(samples, note)


def _known(steps: Iterable[Step]) -> Iterable[Step]:
    """The steps; DamageError for one that nothing here carries out."""
    for step in changing(steps):
        if not any(step.op in known for known in (PIXEL_STEPS, SAMPLE_STEPS, READ_STEPS)):
            raise DamageError("unknown_step", f"no step is called {step.op!r}")
        yield step


def _of_pictures(name: str) -> Callable[..., np.ndarray]:
    """A change of :mod:`.pixel_changes`; for sounds it need not be there."""

    def change(pixels: np.ndarray, **options: object) -> np.ndarray:
        from . import pixel_changes

        changed: Callable[..., np.ndarray] = getattr(pixel_changes, name)
        return changed(pixels, **options)

    return change


def _crop(pixels: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    full_height, full_width = pixels.shape[-3:-1]
    x, y = round(left * full_width), round(top * full_height)
    w, h = max(1, round(width * full_width)), max(1, round(height * full_height))
    return np.ascontiguousarray(pixels[..., y : y + h, x : x + w, :])


def _drop_frames(pixels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Frames ``[T, H, W, 3]`` of which a share (rounded up; never the first) is not shown: the one
    before it stays.
    """
    if pixels.ndim == 3:
        return pixels
    count = len(pixels)
    dropped = np.random.Generator(np.random.Philox(key=seed)).permutation(count - 1) + 1
    shown = np.arange(count)
    shown[dropped[: math.ceil(share * count)]] = 0
    return np.asarray(pixels[np.maximum.accumulate(shown)])


_CHANGES = (
    *("hflip", "brightness", "affine", "blur", "jpeg", "grain", "erase"),
    *("hue", "saturation", "contrast"),
)
PIXEL_STEPS: dict[str, Callable[..., np.ndarray]] = {
    "crop": _crop,
    "drop_frames": _drop_frames,
    **{name: _of_pictures(name) for name in _CHANGES},
}
