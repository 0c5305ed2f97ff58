"""A video as a row of a batch: frames evenly spaced over the whole of it, or over a clip."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from ....schemas import checks
from ....schemas.errors import InputError
from ....schemas.recipe import VideoReader
from ....schemas.record import Part
from ...media import image as images
from ...media import video
from ...media.steps import apply_to_pixels
from ...spec import MIDDLE, Draws, Spec, TimeCrop, Transform, of_kind


@dataclass(frozen=True, kw_only=True)
class VideoSpec(Spec):
    """``frames`` evenly spaced frames as ``uint8 [frames, size, size, 3]``: of the whole video, or
    of a clip of ``seconds``.

    crop: whether the clip is the ``start`` or a ``random`` one. reader: who decodes, ``pyav`` or
        ``decord``; the frames are the same ones, but decord tells no damaged one.
    """

    frames: int = 8
    size: int = 112
    seconds: float | None = None
    crop: TimeCrop = "start"
    transform: Transform | None = None
    reader: VideoReader = "pyav"

    modality = "video"
    makes_copies = True

    def __post_init__(self) -> None:
        checks.whole("VideoSpec: frames", self.frames, 1)
        checks.whole("VideoSpec: size", self.size, 1)
        checks.choice("VideoSpec: crop", self.crop, TimeCrop)
        checks.choice("VideoSpec: reader", self.reader, VideoReader)
        checks.function("VideoSpec: transform", self.transform)
        if self.seconds is not None:
            checks.above_zero("VideoSpec: seconds", self.seconds)
        elif self.crop == "random":
            raise InputError(
                "VideoSpec: crop='random' takes a clip of the video; say how long with seconds="
            )

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (self.frames, self.size, self.size, 3), "uint8"

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``."""
        frames = self._read(data, draws)
        if self.transform is not None:
            frames = of_kind(
                self.transform(frames, draws.generator()), "uint8", (self.frames, None, None, 3)
            )
        for place, frame in enumerate(frames):
            out[place] = images.resize_crop(frame, self.size)
        return 1

    def _read(self, data: bytes, draws: Draws) -> np.ndarray:
        place = draws.uniform[0] if self.crop == "random" else 0.0
        copy = draws.copy or Part(self.modality)
        begin, end, clip = copy.start_s, copy.end_s, None
        if self.seconds is not None and begin is not None and end is not None:
            # a clip within the span that a copy is cut to
            begin += place * max(0.0, end - begin - self.seconds * copy.pace)
            end = min(end, begin + self.seconds * copy.pace)
        elif self.seconds is not None:
            clip = (self.seconds * copy.pace, place)
        frames = video.sample(
            io.BytesIO(data), self.frames, self.size, begin, end, clip=clip, reader=self.reader
        )
        return apply_to_pixels(frames, copy.steps)
