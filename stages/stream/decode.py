"""How each part of a record becomes a row of a batch: one spec a part, chosen by the user, filled into a given buffer.

Shape letters as in ``batch``.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute
import simplejpeg

from ...schemas.errors import DamageError, InputError
from ..media import image as images

PAD_TOKEN, UNKNOWN_TOKEN = 0, 1
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[^\sa-z0-9]")


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image as ``uint8 [size, size, 3]``.

    crop: ``random`` square of ``size`` pixels (mirrored half of the time if ``flip``), ``center``, or ``squash`` to a square.
    Images smaller than ``size`` are scaled up to it; with ``center`` and ``squash`` larger ones are scaled down.
    """

    size: int = 224
    crop: Literal["random", "center", "squash"] = "center"
    flip: bool = False

    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    def fill(self, data: bytes, out: np.ndarray, draws: tuple[float, float, float] | None) -> None:
        """Decode into ``out``. ``draws``, three numbers in [0, 1), place a random crop and mirror it; without them it is the middle."""
        if data[:3] == b"\xff\xd8\xff" and not images.has_exif(data):
            try:
                pixels = simplejpeg.decode_jpeg(
                    data, "RGB", min_height=0 if self.crop == "random" else self.size, min_width=0 if self.crop == "random" else self.size
                )
            except ValueError:
                pixels = images.decode(data)
        else:
            pixels = images.decode(data)
        height, width = pixels.shape[:2]
        size = self.size
        if self.crop == "random" and height >= size and width >= size and draws is not None:
            top, left, mirror = draws
            y, x = int(top * (height - size + 1)), int(left * (width - size + 1))
            window = pixels[y : y + size, x : x + size]
            out[:] = window[:, ::-1] if self.flip and mirror < 0.5 else window
        elif self.crop == "squash":
            out[:] = pixels if (height, width) == (size, size) else cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
        else:
            out[:] = images.resize_crop(pixels, size)


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """Mono sound as ``float32 [rate_hz * seconds]``: cut or filled with zeros at the end."""

    rate_hz: int = 16_000
    seconds: float = 5.0

    def shape(self) -> tuple[int, ...]:
        return (round(self.rate_hz * self.seconds),)

    def fill(self, data: bytes, out: np.ndarray) -> int:
        """Decode into ``out``; the number of samples that are real."""
        import soundfile
        import soxr

        try:
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DamageError("audio_damaged", f"the stored sound cannot be decoded: {error}") from None
        mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
        if rate != self.rate_hz:
            mono = soxr.resample(mono[: math.ceil(self.seconds * rate)], rate, self.rate_hz, quality="HQ")
        length = min(len(mono), len(out))
        out[:length] = mono[:length]
        out[length:] = 0
        return length


@dataclass(frozen=True, kw_only=True)
class VideoSpec:
    """``frames`` evenly spaced frames as ``uint8 [frames, size, size, 3]``."""

    frames: int = 8
    size: int = 112

    def shape(self) -> tuple[int, ...]:
        return (self.frames, self.size, self.size, 3)

    def fill(self, data: bytes, out: np.ndarray) -> None:
        """Decode into ``out``."""
        from ..media import video

        frames = video.sample(io.BytesIO(data), self.frames, self.size)
        for place, frame in enumerate(frames):
            out[place] = images.resize_crop(frame, self.size)


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """Token ids ``int64 [length]`` from a vocabulary; without one the batch carries the texts themselves."""

    length: int = 24
    vocabulary: Mapping[str, int] = field(default_factory=dict)

    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    def fill(self, text: str, out: np.ndarray) -> int:
        """Write the ids into ``out``; how many there are (at least one: an unknown token stands for a text without words)."""
        known = self.vocabulary
        ids = [known.get(word, UNKNOWN_TOKEN) for word in words(text)[: self.length]] or [UNKNOWN_TOKEN]
        out[: len(ids)] = ids
        out[len(ids) :] = PAD_TOKEN
        return len(ids)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """A cached vector ``float32 [D]`` from an Arrow feature cache, read as a view of its memory map."""

    folder: str
    part: str


Spec: TypeAlias = ImageSpec | AudioSpec | VideoSpec | TextSpec | FeatureSpec


def words(text: str) -> list[str]:
    """Lower-case words and punctuation marks, in order.

    >>> words("What's on the table?")
    ["what's", 'on', 'the', 'table', '?']
    """
    return _WORD.findall(text.lower())


def build_vocabulary(texts: Iterable[str | None], most: int = 10_000, at_least: int = 1) -> dict[str, int]:
    """Word -> id, 2 upwards, the commonest first (ties by the alphabet); 0 is padding, 1 any unknown word."""
    counts = Counter(word for text in texts if text for word in words(text))
    kept = sorted((word for word, count in counts.items() if count >= at_least), key=lambda word: (-counts[word], word))[:most]
    return {word: number for number, word in enumerate(kept, 2)}


class FeatureCache:
    """Vectors of one part by record key. Rows are views of the memory map; nothing is read before it is used."""

    def __init__(self, folder: Path, part: str) -> None:
        path, keys_path = folder / f"{part}.arrow", folder / f"{part}.keys.arrow"
        if not path.is_file() or not keys_path.is_file():
            raise InputError(f"{path}: no cached features of {part!r} here; add 'features: {{{part}: ...}}' to the recipe and run it")
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        column = table["vector"].combine_chunks() if table["vector"].num_chunks != 1 else table["vector"].chunk(0)
        self.dims = column.type.list_size
        self.vectors: np.ndarray = column.flatten().to_numpy(zero_copy_only=True).reshape(-1, self.dims)
        with pa.memory_map(str(keys_path)) as source:
            keys = pa.ipc.open_file(source).read_all()
        self._keys, self._places = keys["key"], keys["row"].to_numpy()

    def rows(self, keys: pa.ChunkedArray) -> np.ndarray:
        """Row of each key ``int64 [N]``; -1 where there is none."""
        places = pa.compute.index_in(keys, value_set=self._keys).fill_null(-1).to_numpy()
        return np.where(places >= 0, self._places[places], -1) if len(self._places) else np.full(len(places), -1)
