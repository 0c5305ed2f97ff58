"""How a part of a record becomes a row of a batch: what every spec has, and what chance holds for a
row.

A spec that makes tensors fills a row of a buffer (``fill``); one that does not gives a Python value
(``value``). Every spec takes a ``transform``: a function of the decoded part and of a numpy
generator that belongs to this place of this epoch, which gives the part as it shall be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np

from ..schemas import checks
from ..schemas.errors import InputError
from ..schemas.record import Part

if TYPE_CHECKING:
    import pyarrow as pa

TimeCrop: TypeAlias = Literal["start", "random"]
# Any, here and below: what a part is when it is read is its modality's own
Transform: TypeAlias = Callable[[Any, np.random.Generator], Any]


class Draws:
    """What chance holds for one position: four numbers in [0, 1), a generator for who needs more,
    and the part as an augmenting stage drew it, whose span and steps are to be carried out; None
    where it is to be as it is stored.
    """

    __slots__ = ("_key", "_position", "copy", "uniform")

    def __init__(
        self, uniform: list[float], key: int, position: int, copy: Part | None = None
    ) -> None:
        self.uniform, self.copy = uniform, copy
        self._key, self._position = key, position

    def of_copy(self, copy: Part) -> Draws:
        """The same for a part that is to be changed."""
        return Draws(self.uniform, self._key, self._position, copy)

    def generator(self) -> np.random.Generator:
        """A generator that is the same whenever this position is asked for in this epoch."""
        return np.random.Generator(np.random.Philox(key=[self._key, self._position]))


MIDDLE = Draws([0.5, 0.5, 0.5, 0.5], 0, 0)


class Records(Protocol):
    """The records of a set of shards, as far as a spec asks: how long the parts are that it will
    read.
    """

    def __len__(self) -> int: ...

    def numbers(self, name: str) -> np.ndarray: ...

    def texts(self, part: str, records: Iterable[int]) -> list[str | None]: ...

    def has(self, part: str) -> np.ndarray: ...

    def all_keys(self) -> pa.ChunkedArray: ...


class Spec:
    """How one part is read. ``modality``: what it reads, empty for any. ``has_lengths``: the batch
    tells how much of each row is real. makes_copies: it carries out what augmenting stages drew
    (``Draws.copy``).
    """

    modality: ClassVar[str] = ""
    has_lengths: ClassVar[bool] = False
    makes_copies: ClassVar[bool] = False

    @property
    def makes_tensors(self) -> bool:
        """Whether the part becomes a row of a tensor; a Python value in the batch's ``lists``
        otherwise.
        """
        return True

    @property
    def is_cheap(self) -> bool:
        """Whether handing the part to another thread would cost more than reading it here."""
        return False

    def layout(self) -> tuple[tuple[int, ...], str]:
        """Shape and type of a row."""
        raise NotImplementedError

    def fill(self, data: Any, out: np.ndarray, draws: Draws = MIDDLE) -> int:
        """Write the part into its row; its length, 1 for what has none."""
        raise NotImplementedError

    def value(self, data: Any, draws: Draws = MIDDLE) -> object:
        """The part as a Python value."""
        raise NotImplementedError

    def lengths(self, records: Records, part: str) -> np.ndarray:
        """How long the part of every record is ``float64 [N]``, in the unit of :meth:`cut_to`;
        InputError where the spec knows no lengths.
        """
        raise InputError(
            f"buckets: {part}: {type(self).__name__} knows no lengths; wanted a sound, a series,"
            " a text with a vocabulary, or cached sequences"
        )

    def cut_to(self, length: float) -> Spec:
        """The same spec with rows of this length."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class BytesSpec(Spec):
    """A medium as it is stored, undecoded, in the batch's ``lists``."""

    transform: Transform | None = None

    def __post_init__(self) -> None:
        checks.function(f"{type(self).__name__}: transform", self.transform)

    @property
    def makes_tensors(self) -> bool:
        return False

    @property
    def is_cheap(self) -> bool:
        return self.transform is None

    def value(self, data: bytes, draws: Draws = MIDDLE) -> object:
        """The bytes."""
        content = self.read(data)
        return content if self.transform is None else self.transform(content, draws.generator())

    def read(self, data: bytes) -> object:
        """What the bytes mean, before the transform."""
        return data


def of_kind(value: object, kind: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """What a transform gave, if it is an array of this type and shape (None: of any length)."""
    wanted = f"{kind} [{', '.join('any' if length is None else str(length) for length in shape)}]"
    if not isinstance(value, np.ndarray):
        raise TypeError(f"the transform gave {type(value).__name__}, wanted an array {wanted}")
    fits = value.ndim == len(shape) and all(
        length in (None, actual) for length, actual in zip(shape, value.shape, strict=True)
    )
    if not fits or not value.dtype.name.startswith(kind):
        raise TypeError(
            f"the transform gave {value.dtype.name} {list(value.shape)}, wanted {wanted}"
        )
    return np.ascontiguousarray(value)


def seconds_of(records: Records, part: str) -> np.ndarray:
    """Seconds of the part of every record ``float64 [N]``: 0 where it is absent, infinity where
    nobody measured it, for it may be long.
    """
    seconds = records.numbers(f"{part}.duration_s")
    return np.where(records.has(part), np.where(np.isnan(seconds), np.inf, seconds), 0.0)
