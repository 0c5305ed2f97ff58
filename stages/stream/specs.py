"""How each part of a record becomes a row of a batch: one spec a part, chosen by the user.

A spec that makes tensors fills a row of a buffer (``fill``); one that does not gives a Python value (``value``). Every spec takes a ``transform``: a
function of the decoded part and of a numpy generator that belongs to this place of this epoch, which gives the part as it shall be.
Shape letters as in ``batch``.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import cv2
import numpy as np
import simplejpeg

from ...schemas.errors import DamageError, InputError
from ..media import audio as sounds
from ..media import image as images
from . import checks
from .draws import MIDDLE, Draws
from .text import PAD_TOKEN, UNKNOWN_TOKEN, words

ImageCrop: TypeAlias = Literal["random", "random_resized", "center", "squash"]
TimeCrop: TypeAlias = Literal["start", "random"]
Transform: TypeAlias = Callable[[Any, np.random.Generator], Any]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CROP_TRIES = 10
_SCRATCH_BYTES = 1 << 20
_of_thread = threading.local()
_UNKNOWN_FORMAT = 1  # libsndfile's number for what it cannot read at all


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image as ``uint8 [size, size, 3]`` (RGB), or normalised as ``float32 [3, size, size]``.

    crop: ``random`` square of ``size`` pixels; ``random_resized``, a square scaled from 8 to 100 % of the area and 3/4 to 4/3 of the aspect (Szegedy
    et al. 2015, *Going Deeper with Convolutions*); ``center``; ``squash`` to a square. Images smaller than ``size`` are scaled up to it; with
    ``center`` and ``squash`` larger ones are scaled down. flip: mirror half of the images.
    normalize: mean and standard deviation of each channel, of values in [0, 1]: ``(IMAGENET_MEAN, IMAGENET_STD)``.
    """

    size: int = 224
    crop: ImageCrop = "center"
    flip: bool = False
    normalize: tuple[Sequence[float], Sequence[float]] | None = None
    transform: Transform | None = None

    modality: ClassVar[str] = "image"
    has_lengths: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks.whole("ImageSpec: size", self.size, 1)
        checks.choice("ImageSpec: crop", self.crop, ImageCrop)
        checks.function("ImageSpec: transform", self.transform)
        checks.flag("ImageSpec: flip", self.flip)
        if self.normalize is not None:
            checks.normalization("ImageSpec: normalize", self.normalize)

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return ((self.size, self.size, 3), "uint8") if self.normalize is None else ((3, self.size, self.size), "float32")

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``."""
        window = self._cut(self._decode(data, draws), draws)
        mirror = self.flip and draws.uniform[2] < 0.5
        if self.normalize is None:
            out[:] = window[:, ::-1] if mirror else window
            return 1
        window = cv2.flip(window, 1) if mirror else window
        for plane, values, row in zip(cv2.split(window), _normal_tables(*self.normalize), out, strict=True):
            cv2.LUT(plane, values, dst=row)
        return 1

    def _decode(self, data: bytes, draws: Draws) -> np.ndarray:
        if self.transform is not None:
            return _of_kind(self.transform(images.decode(data), draws.generator()), "uint8", (None, None, 3))
        if data[:3] == b"\xff\xd8\xff" and not images.has_exif(data):
            least = 0 if self.crop.startswith("random") else self.size
            for buffer in (_scratch(), None):
                with contextlib.suppress(ValueError):  # too large for the buffer, or no JPEG of the common kinds
                    pixels: np.ndarray = simplejpeg.decode_jpeg(data, "RGB", min_height=least, min_width=least, buffer=buffer)
                    return pixels
        return images.decode(data)

    def _cut(self, pixels: np.ndarray, draws: Draws = MIDDLE) -> np.ndarray:
        height, width = pixels.shape[:2]
        size = self.size
        if self.crop == "random" and height >= size and width >= size:
            y, x = int(draws.uniform[0] * (height - size + 1)), int(draws.uniform[1] * (width - size + 1))
            return pixels[y : y + size, x : x + size]
        if self.crop == "random_resized":
            y, x, tall, wide = _inception_crop(height, width, draws.generator())
            way = cv2.INTER_LINEAR if tall < 2 * size else cv2.INTER_AREA
            return cv2.resize(pixels[y : y + tall, x : x + wide], (size, size), interpolation=way)
        if self.crop == "squash":
            return pixels if (height, width) == (size, size) else cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
        return images.resize_crop(pixels, size)


def _scratch() -> bytearray:
    """This thread's memory for the pixels of an image that is cut at once: fresh memory for each costs 5 to 10 % of decoding it."""
    try:
        found: bytearray = _of_thread.scratch
    except AttributeError:
        found = _of_thread.scratch = bytearray(_SCRATCH_BYTES)
    return found


def _of_kind(value: Any, kind: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """What a transform gave, if it is an array of this type and shape (None: of any length)."""
    wanted = f"{kind} [{', '.join('any' if length is None else str(length) for length in shape)}]"
    if not isinstance(value, np.ndarray):
        raise TypeError(f"the transform gave {type(value).__name__}, wanted an array {wanted}")
    fits = value.ndim == len(shape) and all(length in (None, found) for length, found in zip(shape, value.shape, strict=True))
    if not fits or not value.dtype.name.startswith(kind):
        raise TypeError(f"the transform gave {value.dtype.name} {list(value.shape)}, wanted {wanted}")
    return np.ascontiguousarray(value)


def _inception_crop(height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop of random area and aspect; the largest middle one after ten tries that do not fit."""
    for _ in range(_CROP_TRIES):
        area = height * width * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return int(random.integers(0, height - tall + 1)), int(random.integers(0, width - wide + 1)), tall, wide
    wide, tall = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


_tables: dict[tuple[tuple[float, ...], tuple[float, ...]], list[np.ndarray]] = {}


def _normal_tables(mean: Sequence[float], std: Sequence[float]) -> list[np.ndarray]:
    """For each channel, the normalised value of every byte ``float32 [256]``."""
    key = (tuple(mean), tuple(std))
    if key not in _tables:
        levels = np.arange(256, dtype=np.float32) / 255
        _tables[key] = [((levels - m) / s).astype(np.float32) for m, s in zip(mean, std, strict=True)]
    return _tables[key]


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """Mono sound as ``float32 [rate_hz * seconds]``, filled with zeros at the end; the batch's ``lengths`` tell how many samples are real.

    crop: which stretch of a longer sound: its ``start``, or a ``random`` one.
    """

    rate_hz: int = 16_000
    seconds: float = 5.0
    crop: TimeCrop = "start"
    transform: Transform | None = None

    modality: ClassVar[str] = "audio"
    has_lengths: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.whole("AudioSpec: rate_hz", self.rate_hz, 1)
        if checks.above_zero("AudioSpec: seconds", self.seconds) * self.rate_hz < 1:
            raise InputError(f"AudioSpec: {self.seconds} s hold no sample at {self.rate_hz} Hz")
        checks.choice("AudioSpec: crop", self.crop, TimeCrop)
        checks.function("AudioSpec: transform", self.transform)

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (round(self.rate_hz * self.seconds),), "float32"

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``; the number of samples that are real."""
        mono = self._read(data, draws)
        if self.transform is not None:
            mono = _of_kind(self.transform(mono, draws.generator()), "float", (None,))
        if self.crop == "random" and len(mono) > len(out):
            mono = mono[int(draws.uniform[0] * (len(mono) - len(out) + 1)) :]
        length = min(len(mono), len(out))
        out[:length] = mono[:length]
        out[length:] = 0
        return length

    def _read(self, data: bytes, draws: Draws) -> np.ndarray:
        """The stretch that is wanted, at the wanted rate; all of it for a transform and where only FFmpeg can read it."""
        import soundfile

        try:
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                frames = math.ceil(self.seconds * file.samplerate)
                if self.transform is not None:
                    frames = file.frames
                elif self.crop == "random" and file.frames > frames:
                    file.seek(int(draws.uniform[0] * (file.frames - frames + 1)))
                return sounds.Sound(file.read(frames, dtype="float32", always_2d=True), file.samplerate).mono(self.rate_hz)
        except soundfile.LibsndfileError as error:
            if error.code != _UNKNOWN_FORMAT:
                raise DamageError("audio_damaged", f"the stored sound cannot be decoded: {error}") from None
            return sounds.decode_ffmpeg(io.BytesIO(data), error.error_string).mono(self.rate_hz)


@dataclass(frozen=True, kw_only=True)
class VideoSpec:
    """``frames`` evenly spaced frames as ``uint8 [frames, size, size, 3]``: of the whole video, or of a clip of ``seconds``.

    crop: whether the clip is the ``start`` or a ``random`` one.
    """

    frames: int = 8
    size: int = 112
    seconds: float | None = None
    crop: TimeCrop = "start"
    transform: Transform | None = None

    modality: ClassVar[str] = "video"
    has_lengths: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks.whole("VideoSpec: frames", self.frames, 1)
        checks.whole("VideoSpec: size", self.size, 1)
        checks.choice("VideoSpec: crop", self.crop, TimeCrop)
        checks.function("VideoSpec: transform", self.transform)
        if self.seconds is not None:
            checks.above_zero("VideoSpec: seconds", self.seconds)
        elif self.crop == "random":
            raise InputError("VideoSpec: crop='random' takes a clip of the video; say how long with seconds=")

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (self.frames, self.size, self.size, 3), "uint8"

    def fill(self, data: bytes, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Decode into ``out``."""
        from ..media import video

        begin = draws.uniform[0] if self.crop == "random" else 0.0
        frames = video.sample(io.BytesIO(data), self.frames, self.size, clip=None if self.seconds is None else (self.seconds, begin))
        if self.transform is not None:
            frames = _of_kind(self.transform(frames, draws.generator()), "uint8", (self.frames, None, None, 3))
        for place, frame in enumerate(frames):
            out[place] = images.resize_crop(frame, self.size)
        return 1


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """Token ids ``int64 [length]``, filled with 0 at the end; the batch's ``lengths`` tell how many are real.

    vocabulary: word -> id. tokenize: a function from a text to its ids, in place of a vocabulary (``tokenizer.encode`` of Hugging Face's).
    With neither the batch carries the texts themselves, in ``lists``.
    """

    length: int = 24
    vocabulary: Mapping[str, int] = field(default_factory=dict)
    tokenize: Callable[[str], Sequence[int]] | None = None
    transform: Transform | None = None

    modality: ClassVar[str] = "text"
    has_lengths: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.whole("TextSpec: length", self.length, 1)
        checks.function("TextSpec: tokenize", self.tokenize)
        checks.function("TextSpec: transform", self.transform)
        if not isinstance(self.vocabulary, Mapping):
            raise InputError(f"TextSpec: vocabulary: wanted a mapping from words to ids, found {type(self.vocabulary).__name__}")
        if self.vocabulary and self.tokenize is not None:
            raise InputError("TextSpec: wanted a vocabulary or tokenize, found both")

    @property
    def makes_tensors(self) -> bool:
        """Whether texts become ids."""
        return bool(self.vocabulary) or self.tokenize is not None

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        return (self.length,), "int64"

    def fill(self, text: str, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Write the ids into ``out``; how many there are (at least one: an unknown token stands for a text without words)."""
        if self.transform is not None:
            text = self.transform(text, draws.generator())
        if self.tokenize is not None:
            ids = list(self.tokenize(text))[: self.length] or [UNKNOWN_TOKEN]
        else:
            known = self.vocabulary
            ids = [known.get(word, UNKNOWN_TOKEN) for word in words(text)[: self.length]] or [UNKNOWN_TOKEN]
        out[: len(ids)] = ids
        out[len(ids) :] = PAD_TOKEN
        return len(ids)

    def value(self, text: str, draws: Draws = MIDDLE) -> Any:
        """The text itself."""
        return text if self.transform is None else self.transform(text, draws.generator())


@dataclass(frozen=True, kw_only=True)
class BytesSpec:
    """A medium as it is stored, undecoded, in the batch's ``lists``."""

    transform: Transform | None = None

    modality: ClassVar[str] = ""

    def __post_init__(self) -> None:
        checks.function("BytesSpec: transform", self.transform)

    def value(self, data: bytes, draws: Draws = MIDDLE) -> Any:
        """The bytes."""
        return data if self.transform is None else self.transform(data, draws.generator())


@dataclass(frozen=True, kw_only=True)
class JsonSpec:
    """A json member as a Python value, in the batch's ``lists``."""

    transform: Transform | None = None

    modality: ClassVar[str] = "json"

    def __post_init__(self) -> None:
        checks.function("JsonSpec: transform", self.transform)

    def value(self, data: bytes, draws: Draws = MIDDLE) -> Any:
        """The value."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DamageError("json_damaged", f"cannot be read as json: {error}") from None
        return found if self.transform is None else self.transform(found, draws.generator())


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """A cached vector ``[D]`` from an Arrow feature cache, read as a view of its memory map."""

    folder: str
    part: str

    def __post_init__(self) -> None:
        for name in ("folder", "part"):
            if not isinstance(getattr(self, name), (str, Path)):
                raise InputError(f"FeatureSpec: {name}: wanted a path or a name, found {getattr(self, name)!r}")


MediaSpec: TypeAlias = ImageSpec | AudioSpec | VideoSpec
ListSpec: TypeAlias = BytesSpec | JsonSpec
Spec: TypeAlias = MediaSpec | TextSpec | ListSpec | FeatureSpec
