"""Images, frames and sound by any network that lies as an ONNX file: the extra ``onnx``."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import cv2
import numpy as np

from ...schemas.errors import DamageError, MissingPackageError
from ..base import Extractor
from ..media.image import resize_crop
from ._sequences import LONGEST, check_longest

_SIZE = 224
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
# path, size and time of the model and of the weights that lie beside it
_Files = tuple[tuple[str, int, int], ...]


class _Tensor(Protocol):
    """An input or output of a network of ONNX Runtime, which has no types. shape: numbers, and
    names or None for axes of any length.
    """

    name: str
    type: str
    shape: Sequence[object]


class _Session(Protocol):
    """A loaded network."""

    def get_inputs(self) -> Sequence[_Tensor]: ...

    def get_outputs(self) -> Sequence[_Tensor]: ...

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[object]: ...


@dataclass(frozen=True, kw_only=True)
class Onnx(Extractor):
    """One output of a network, averaged over places, moments and frames down to a vector, or each
    of these in order.

    model: the file. It has one input: ``[N, 3, H, W]`` or ``[N, H, W, 3]`` for images and frames,
        ``[N, T]`` for sound, which is cut or filled up with silence where ``T`` is a number. Its
        contents (and weights in files beside it), not its name, decide what a cache holds.
    of: the modality.
    output: name of the output; the first where it is not given.
    average: axes of the output that are averaged; where they are not given, those of a map's places
        (laid out as the input is), of tokens, and of what grows with a sound.
    size: side of the picture in pixels; the model's own where its input is of fixed size, else 224.
    crop: ``center`` cuts the middle square of the scaled picture, ``squash`` scales both sides.
    mean, std: of the channels red, green, blue with pixels in [0, 1]; those of ImageNet where they
        are not given.
    rate_hz: sound is resampled to it first.
    frames: evenly spaced frames that are looked at.
    pool: ``mean``, or ``none`` for a sequence of what would be averaged: places row by row, tokens
        or moments; of a film a vector for each frame, averaged over its own places. longest: how
        many vectors of it are kept, from its beginning on.
    """

    modality: ClassVar[str] = "image"
    later: ClassVar[frozenset[str]] = frozenset({"pool", "longest"})

    model: str
    of: Literal["image", "video", "audio"] = "image"
    output: str | None = None
    average: tuple[int, ...] | None = None
    size: int | None = None
    crop: Literal["center", "squash"] = "center"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    rate_hz: int = 16_000
    frames: int = 8
    pool: Literal["mean", "none"] = "mean"
    longest: int = LONGEST

    def __post_init__(self) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise MissingPackageError("onnxruntime", "onnx", "features.onnx")
        if not (np.isfinite([*self.mean, *self.std]).all() and min(self.std) > 0):
            raise ValueError(
                f"mean, std: wanted finite numbers, and std above 0, found {self.mean}, {self.std}"
            )
        for name in ("size", "rate_hz", "frames"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: wanted at least 1, found {getattr(self, name)}")
        object.__setattr__(self, "modality", self.of)
        for name in ("mean", "std", "average"):  # lists in Python are fine as well
            object.__setattr__(self, name, getattr(self, name) and tuple(getattr(self, name)))
        session = _session(_stamped(self.model))
        (first, *others), outputs = (
            session.get_inputs(),
            [tensor.name for tensor in session.get_outputs()],
        )
        if others or first.type not in _TYPES or not _fits(first.shape, self.of):
            wanted = "[N, T]" if self.of == "audio" else "[N, 3, H, W] or [N, H, W, 3]"
            described = ", ".join(
                f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in (first, *others)
            )
            raise ValueError(
                f"model: {self.model}: wanted one input {wanted} of float16, float32 or float64"
                f" for {self.of}, found {described}"
            )
        if self.output is not None and self.output not in outputs:
            raise ValueError(
                f"output: {self.model} has no output {self.output!r}; its outputs are"
                f" {', '.join(outputs)}"
            )
        if self.of != "audio":
            height, width = first.shape[1:3] if _channels_last(first.shape) else first.shape[2:4]
            if isinstance(height, int) and (height != width or self.size not in (None, height)):
                raise ValueError(
                    f"size: {self.model} wants pictures of {height} x {width}, found"
                    f" {self.size or 'no square'}"
                )
            object.__setattr__(
                self, "size", self.size or (height if isinstance(height, int) else _SIZE)
            )
        check_longest(self.longest, self.pool == "none")
        if self.pool == "none" and self.of != "video" and not _shape(self, _stamped(self.model))[0]:
            raise ValueError(
                f"pool: {self.model} gives one vector for each {self.of}, and no places, tokens or"
                " moments in order; wanted mean, or another output"
            )
        self.dims()

    def sequence_limit(self) -> int | None:
        return self.longest if self.pool == "none" else None

    def files(self) -> list[Path]:
        return [Path(name) for name, _, _ in _stamped(self.model)]

    def dims(self) -> int:
        return _shape(self, _stamped(self.model))[1]

    def extract(self, data: np.ndarray) -> np.ndarray:
        axes, _ = _shape(self, _stamped(self.model))
        batches = (
            [self._heard(data)]
            if self.of == "audio"
            else [self._seen(pixels) for pixels in ([data] if self.of == "image" else data)]
        )
        try:
            outputs = [self._raw(batch) for batch in batches]
        except Exception as error:  # the runtime's errors have no common class
            raise DamageError(
                "network_refuses", f"{self.model} cannot take it: {_first_line(error)}"
            ) from None
        if self.pool == "none" and self.of != "video":
            return _in_order(outputs[0][0], axes)
        if self.pool == "none":
            frames = [output.mean(axes, dtype=np.float64).ravel() for output in outputs]
            return np.array(frames, np.float32)
        return np.asarray(
            np.mean([output.mean(axes, dtype=np.float64).ravel() for output in outputs], axis=0),
            np.float32,
        )

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """Samples as the network takes them ``[1, T]``."""
        length = self._wanted().shape[1]
        heard = np.asarray(samples, np.float32)[: length if isinstance(length, int) else None]
        return np.pad(heard, (0, length - len(heard) if isinstance(length, int) else 0))[None]

    def _seen(self, pixels: np.ndarray) -> np.ndarray:
        """A picture as the network takes it ``[1, 3, H, W]`` or ``[1, H, W, 3]``."""
        assert self.size is not None  # set when it was made
        if self.crop == "center":
            pixels = resize_crop(pixels, self.size)
        else:
            smaller = max(pixels.shape[:2]) > self.size
            pixels = cv2.resize(
                pixels,
                (self.size, self.size),
                interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
            )
        normal = (pixels.astype(np.float32) / 255 - np.array(self.mean, np.float32)) / np.array(
            self.std, np.float32
        )
        return np.asarray(
            normal if _channels_last(self._wanted().shape) else normal.transpose(2, 0, 1)
        )[None]

    def _wanted(self) -> _Tensor:
        return _session(_stamped(self.model)).get_inputs()[0]

    def _raw(self, batch: np.ndarray) -> np.ndarray:
        """The output of a batch of one, as the network gives it."""
        session, wanted = _session(_stamped(self.model)), self._wanted()
        return np.asarray(
            session.run(
                [self.output or session.get_outputs()[0].name],
                {wanted.name: batch.astype(_TYPES[wanted.type])},
            )[0]
        )

    def tried(self) -> tuple[tuple[int, ...], int]:
        """Which axes of the output are averaged, and the length of the vector, by trials on blank
        input; on two sounds, of which one is longer.
        """
        where = f"model: {self.model}"
        try:
            if self.of == "audio":
                shapes = [
                    self._raw(self._heard(np.zeros(length, np.float32))).shape
                    for length in (2 * self.rate_hz, 3 * self.rate_hz)
                ]
            else:
                shapes = [self._raw(self._seen(np.zeros((64, 64, 3), np.uint8))).shape]
        except Exception as error:  # likewise
            raise ValueError(f"{where} fails on a blank {self.of}: {_first_line(error)}") from None
        shape, rank = shapes[0], len(shapes[0])
        if rank < 2 or shape[0] != 1 or 0 in shape:
            raise ValueError(
                f"{where}: wanted an output that begins with the batch [1, ...], found"
                f" {list(shape)}; choose another by 'output'"
            )
        if self.average is not None:
            if not all(0 < axis < rank for axis in self.average):
                raise ValueError(
                    f"average: wanted axes from 1 to {rank - 1}, of an output {list(shape)},"
                    f" found {list(self.average)}"
                )
            axes = tuple(sorted(set(self.average)))
        elif self.of != "audio" and rank == 4:
            axes = (1, 2) if _channels_last(self._wanted().shape) else (2, 3)
        else:
            longer = tuple(
                axis for axis in range(1, rank) if len({trial[axis] for trial in shapes}) > 1
            )
            axes = longer or ((1,) if rank == 3 else ())
        lengths = {
            int(np.prod([trial[axis] for axis in range(1, rank) if axis not in axes]))
            for trial in shapes
        }
        if len(lengths) > 1:
            raise ValueError(
                f"average: the output {list(shape)} grows with the sound along other axes than"
                f" {list(axes)}"
            )
        return axes, lengths.pop()


def _in_order(output: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The vectors ``[T, D]`` along these axes of an output with its batch, of one that lacks it."""
    moved = np.moveaxis(output, [axis - 1 for axis in axes], range(len(axes)))
    count = int(np.prod(moved.shape[: len(axes)]))
    return np.ascontiguousarray(moved.reshape(count, -1), np.float32)


@functools.lru_cache(maxsize=16)
def _shape(extractor: Onnx, files: _Files) -> tuple[tuple[int, ...], int]:
    return extractor.tried()


def _fits(shape: Sequence[object], of: str) -> bool:
    """Whether an input is of the rank and the channels of a modality; axes that have a name or none
    may be anything, but for batches of one.
    """
    if shape and isinstance(shape[0], int) and shape[0] != 1:
        return False
    return (
        len(shape) == 2
        if of == "audio"
        else len(shape) == 4
        and (_channels_last(shape) or not isinstance(shape[1], int) or shape[1] == 3)
    )


def _channels_last(shape: Sequence[object]) -> bool:
    return bool(shape[3] == 3 and shape[1] != 3)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _stamped(model: str) -> _Files:
    """The file, and those beside it that it names (large models keep weights there), each with size
    and time; ValueError where there is none.
    """
    try:
        own = Path(model).stat()
        names = _beside(model, own.st_size, own.st_mtime_ns)
        return tuple(
            (name, state.st_size, state.st_mtime_ns)
            for name in (model, *names)
            for state in [Path(name).stat()]
        )
    except OSError as error:
        raise ValueError(
            f"model: {model} cannot be read: {error.strerror}; the path is from where the command"
            " is given"
        ) from None


@functools.lru_cache(maxsize=16)
def _beside(model: str, size: int, time_ns: int) -> tuple[str, ...]:
    """The files of the model's folder that it names as the places of its weights."""
    content = Path(model).read_bytes()
    if b"location" not in content:  # the key of external data (ONNX, TensorProto.external_data)
        return ()
    others = (
        path
        for path in Path(model).parent.iterdir()
        if path.is_file() and path.name != Path(model).name
    )
    return tuple(sorted(str(path) for path in others if path.name.encode() in content))


@functools.lru_cache(maxsize=4)
def _session(files: _Files) -> _Session:
    """The loaded network, on one thread: the engine runs several workers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is told by its error
    model = files[0][0]
    try:
        session: _Session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's errors have no common class
        raise ValueError(
            f"model: {model} is no network that ONNX Runtime can load: {_first_line(error)}"
        ) from None
    return session
