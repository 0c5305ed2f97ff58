"""Parts to look at: pictures as thumbnails, films as a contact sheet, sounds as outline and
spectrogram. They are decoded by their modality, and drawn by what comes of that.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...schemas.errors import DamageError, ModalmillError
from ...schemas.record import Part
from ...stages.media.image import encode_jpeg
from ...stages.media.spectrum import log_mel
from ...stages.modality import is_in_record, modality, names
from .charts import wave
from .markup import Markup, element
from .part_table import PartRow

_SIDE = 160  # pixels of the longer side of a thumbnail
_QUALITY = 70
_LARGEST_PIXELS = 50_000_000
_LONGEST_S = 30.0
_FRAMES = 6
_RATE_HZ = 16_000


class _Wanted(NamedTuple):
    """What a modality is asked for when it decodes."""

    size: int = _SIDE
    rate_hz: int = _RATE_HZ
    frames: int = _FRAMES


def picture_of(root: Path | None, row: PartRow) -> Markup:
    """The medium of a part, or why it cannot be shown."""
    sizes = (row["width"], row["height"], row["frames"])
    width, height, frames = sizes
    part = Part(
        row["modality"],
        uri=row["uri"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        width=width,
        height=height,
        frames=frames,
        damage=row["damage"],
    )
    return picture_of_part(root, part, f"{row['part']} of {row['key']}")


def picture_of_part(root: Path | None, part: Part, name: str) -> Markup:
    """The medium of a part after its steps, called so for who cannot see it."""
    if part.damage:
        return _unread(f"cannot be decoded: {part.damage}")
    if root is None or not root.is_dir():
        return _unread("the folder of the raw data is not there any more")
    kind = part.modality
    if kind not in names() or is_in_record(kind):
        return _unread(f"no picture of a part of {kind}")
    if (part.width or 0) * (part.height or 0) > _LARGEST_PIXELS:
        return _unread(f"{part.width:,} × {part.height:,} pixels: too large for a thumbnail")
    if modality(kind).timed:
        longest = (part.start_s or 0.0) + _LONGEST_S
        part = replace(part, end_s=longest if part.end_s is None else min(part.end_s, longest))
    try:
        return _drawn(np.asarray(modality(kind).decoded(root, part, _Wanted())), kind, name)
    except DamageError as error:
        return _unread(f"cannot be read any more: {error.message}")
    except (ModalmillError, ImportError) as error:
        return _unread(f"cannot be read here: {error}")


def _drawn(value: np.ndarray, kind: str, name: str) -> Markup:
    """By its shape: RGB ``[H, W, 3]``, frames ``[T, H, W, 3]``, sound ``[T]``."""
    if value.ndim == 3 and value.dtype == np.uint8:
        return _image(_small(value, _SIDE), name)
    if value.ndim == 4 and value.dtype == np.uint8:
        frames = [_small(frame, _SIDE // 2) for frame in value]
        rows = [np.concatenate(frames[at : at + 2], axis=1) for at in range(0, len(frames), 2)]
        whole = [each for each in rows if each.shape == rows[0].shape]
        return _image(np.concatenate(whole), f"{len(frames)} frames of {name}")
    if value.ndim == 1 and len(value):
        spectrum = np.clip((log_mel(value, _RATE_HZ) + 80) / 80, 0, 1)[::-1]
        levels = cv2.resize(spectrum, (_SIDE, 48), interpolation=cv2.INTER_AREA)
        grey = np.repeat(np.round(255 * levels).astype(np.uint8)[:, :, None], 3, axis=2)
        return element("div", wave(value), _image(grey, f"spectrogram of {name}"))
    return _unread(f"no picture of a part of {kind}")


def _small(pixels: np.ndarray, side: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _image(pixels: np.ndarray, alt: str) -> Markup:
    data = base64.b64encode(encode_jpeg(pixels, _QUALITY)).decode()
    height, width = pixels.shape[:2]
    source = f"data:image/jpeg;base64,{data}"
    return element("img", src=source, alt=alt, width=width, height=height)


def _unread(why: str) -> Markup:
    return element("span", why, class_="unread")
