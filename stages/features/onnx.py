"""Images, frames and sound by any network that lies as an ONNX file: the extra ``onnx``."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np

from ...schemas.errors import MissingPackageError
from ...schemas.fingerprint import fingerprint, hash_file
from ...schemas.record import Modality
from ..base import Extractor
from ..media.image import resize_crop

_SIZE = 224
_ASIDE = (".data", "_data")  # weights that a large model keeps in a file beside it


@dataclass(frozen=True, kw_only=True)
class Onnx(Extractor):
    """One output of a network, averaged over places, moments and frames down to a vector.

    model: the file. It has one input: ``[N, 3, H, W]`` or ``[N, H, W, 3]`` for images and frames, ``[N, T]`` for sound.
    of: the modality. output: name of the output; the first where it is not given. The file's contents, not its name, decide what a cache holds.
    size: side of the picture in pixels; the model's own where its input is of fixed size, else 224.
    crop: ``center`` cuts the middle square of the scaled picture, ``squash`` scales both sides.
    mean, std: of the channels red, green, blue with pixels in [0, 1]; those of ImageNet where they are not given.
    rate_hz: sound is resampled to it first. frames: evenly spaced frames that are looked at.
    """

    modality: ClassVar[Modality] = "image"

    model: str
    of: Literal["image", "video", "audio"] = "image"
    output: str | None = None
    size: int | None = None
    crop: Literal["center", "squash"] = "center"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    rate_hz: int = 16_000
    frames: int = 8

    def __post_init__(self) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise MissingPackageError("onnxruntime", "onnx", "features.onnx")
        if min(self.std) <= 0:
            raise ValueError(f"std: wanted numbers above 0, found {self.std}")
        object.__setattr__(self, "modality", self.of)
        session = _session(*_stamped(self.model))
        (first, *others), outputs = session.get_inputs(), [found.name for found in session.get_outputs()]
        wanted = "[N, T]" if self.of == "audio" else "[N, 3, H, W] or [N, H, W, 3]"
        if (
            others
            or len(first.shape) != (2 if self.of == "audio" else 4)
            or first.type not in _TYPES
            or (self.of != "audio" and 3 not in first.shape[1:])
        ):
            found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in (first, *others))
            raise ValueError(f"model: {self.model}: wanted one input {wanted} of numbers for {self.of}, found {found}")
        if self.output is not None and self.output not in outputs:
            raise ValueError(f"output: {self.model} has no output {self.output!r}; its outputs are {', '.join(outputs)}")
        if self.of != "audio":
            height, width = first.shape[2:4] if _channels_first(first.shape) else first.shape[1:3]
            if isinstance(height, int) and (height != width or self.size not in (None, height)):
                raise ValueError(f"size: {self.model} wants pictures of {height} x {width}, found {self.size or 'no square'}")
            object.__setattr__(self, "size", self.size or (height if isinstance(height, int) else _SIZE))
        self.dims()

    def identity(self) -> str:
        options = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self) if entry.name != "model"}
        return fingerprint(self.address, self.version, options, [_hashed(*_stamped(name)) for name in _files(self.model)])

    def dims(self) -> int:
        return _dims(self, *_stamped(self.model))

    def extract(self, data: Any) -> np.ndarray:
        if self.of == "audio":
            return self._vector(np.asarray(data, np.float32)[None])
        pictures = [data] if self.of == "image" else list(data)
        return np.asarray(np.mean([self._vector(self._seen(picture)) for picture in pictures], axis=0, dtype=np.float32))

    def _seen(self, pixels: np.ndarray) -> np.ndarray:
        """A picture as the network takes it ``[1, 3, H, W]`` or ``[1, H, W, 3]``."""
        assert self.size is not None  # set when it was made
        if self.crop == "center":
            pixels = resize_crop(pixels, self.size)
        else:
            smaller = max(pixels.shape[:2]) > self.size
            pixels = cv2.resize(pixels, (self.size, self.size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        normal = (pixels.astype(np.float32) / 255 - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        shape = _session(*_stamped(self.model)).get_inputs()[0].shape
        return np.asarray(normal.transpose(2, 0, 1) if _channels_first(shape) else normal)[None]

    def _vector(self, batch: np.ndarray) -> np.ndarray:
        session = _session(*_stamped(self.model))
        (wanted,) = session.get_inputs()
        found = np.asarray(session.run([self.output or session.get_outputs()[0].name], {wanted.name: batch.astype(_TYPES[wanted.type])})[0][0])
        if found.ndim == 3:  # a map: its channels lie where those of the input lie
            return np.asarray(found.mean((1, 2) if _channels_first(wanted.shape) else (0, 1), dtype=np.float64), np.float32)
        if found.ndim == 2:  # one vector a token or moment
            return np.asarray(found.mean(0, dtype=np.float64), np.float32)
        return found.astype(np.float32).ravel()


_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def _channels_first(shape: list[Any]) -> bool:
    return bool(shape[1] == 3)


def _stamped(model: str) -> tuple[str, int, int]:
    """The file with its size and time, so that what is kept of it is what lies there now; ValueError where there is none."""
    try:
        found = Path(model).stat()
    except OSError as error:
        raise ValueError(f"model: {model} cannot be read: {error.strerror}; the path is from where the command is given") from None
    return model, found.st_size, found.st_mtime_ns


def _files(model: str) -> list[str]:
    return [model, *(model + ending for ending in _ASIDE if Path(model + ending).is_file())]


@functools.lru_cache(maxsize=16)
def _hashed(model: str, size: int, time_ns: int) -> str:
    return hash_file(Path(model))


@functools.lru_cache(maxsize=4)
def _session(model: str, size: int, time_ns: int) -> Any:
    """The loaded network, on one thread: the engine runs several workers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common class
        raise ValueError(f"model: {model} is no network that ONNX Runtime can load: {str(error).splitlines()[0]}") from None


@functools.lru_cache(maxsize=16)
def _dims(extractor: Onnx, model: str, size: int, time_ns: int) -> int:
    """Length of the vector, by a trial."""
    blank = {"image": (64, 64, 3), "video": (1, 64, 64, 3), "audio": (extractor.rate_hz,)}[extractor.of]
    try:
        return len(extractor.extract(np.zeros(blank, np.float32 if extractor.of == "audio" else np.uint8)))
    except Exception as error:  # likewise
        raise ValueError(f"model: {model} fails on a blank {extractor.of}: {str(error).splitlines()[0]}") from None
