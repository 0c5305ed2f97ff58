"""A part of a record as extractors take it, whatever its modality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...schemas.record import Part
from . import audio, image, video
from .files import locate, read
from .steps import apply_to_pixels, apply_to_samples

_IMAGE_SIDE, _VIDEO_SIDE = 256, 192  # pixels of the short side at least


def decoded(root: Path, part: Part, wanted_by: object) -> Any:
    """Text, RGB pixels ``[H, W, 3]``, mono samples ``[T]`` or frames ``[T, H, W, 3]``; DamageError where the medium is damaged.

    wanted_by: what will take them; its ``size`` (pixels), ``rate_hz`` and ``frames`` count where it has them.
    """
    if part.modality == "text":
        return part.text or ""
    assert part.uri is not None
    if part.modality == "image":
        side = max(_IMAGE_SIDE, getattr(wanted_by, "size", 0) or 0)
        return apply_to_pixels(image.decode(read(root, part.uri), 0 if part.steps else side), part.steps)
    path = locate(root, part.uri)
    if part.modality == "audio":
        sound = audio.decode(path, part.start_s, part.end_s)
        return apply_to_samples(sound.mono(getattr(wanted_by, "rate_hz", None)), part.steps)
    side = max(_VIDEO_SIDE, getattr(wanted_by, "size", 0) or 0)
    frames = video.sample(path, getattr(wanted_by, "frames", 8), side, part.start_s, part.end_s, strict=part.frames is None)
    return apply_to_pixels(frames, part.steps)
