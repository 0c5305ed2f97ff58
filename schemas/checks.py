"""What users gave, looked at before anything is read: one clear error for what cannot be meant."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex, get_args

from .errors import InputError, nearest


def whole(name: str, value: object, least: int | None = None) -> int:
    """A whole number, of at least ``least``."""
    number = _index(value)
    # a truth value is a whole number to Python, and hardly meant as one
    if number is None or isinstance(value, bool):
        raise InputError(f"{name}: wanted a whole number, found {value!r}")
    if least is not None and number < least:
        raise InputError(f"{name}: wanted at least {least}, found {number}")
    return number


def _index(value: object) -> int | None:
    """The whole number that a value is to Python."""
    try:
        return operator.index(value) if isinstance(value, SupportsIndex) else None
    except TypeError:  # an array of several
        return None


def above_zero(name: str, value: object) -> float:
    """A number above 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not 0 < float(value) < math.inf
    ):
        raise InputError(f"{name}: wanted a number above 0, found {value!r}")
    return float(value)


def shares(name: str, value: object, count: int) -> list[float]:
    """``count`` numbers from 0 upwards, not all of them 0."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise InputError(f"{name}: wanted a number for each set of shards, found {value!r}")
    values = list(value)
    if not all(isinstance(share, numbers.Real) for share in values):
        raise InputError(f"{name}: wanted a number for each set of shards, found {values!r}")
    if len(values) != count:
        raise InputError(f"{name}: wanted {count}, one for each set of shards, found {len(values)}")
    if not all(0 <= share < math.inf for share in values) or sum(values) <= 0:
        raise InputError(
            f"{name}: wanted numbers from 0 upwards, at least one above 0, found {values}"
        )
    return [float(share) for share in values]


def choice(name: str, value: object, kind: object) -> None:
    """One of the words of a ``Literal``."""
    words = get_args(kind)
    if value not in words:
        hint = nearest(value, words) if isinstance(value, str) else ""
        raise InputError(
            f"{name}: wanted {', '.join(words[:-1])} or {words[-1]}, found"
            f" {value!r}{hint if 'mean' in hint else ''}"
        )


def flag(name: str, value: object) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: wanted True or False, found {value!r}")


# Any: what it can be unpacked and compared as is what is looked at
def normalization(name: str, value: Any) -> None:
    """Mean and deviation of each of three channels, the deviations above 0."""
    try:
        mean, deviation = value
        fits = (
            len(mean) == len(deviation) == 3
            and all(math.isfinite(channel) for channel in mean)
            and all(0 < channel < math.inf for channel in deviation)
        )
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            f"{name}: wanted mean and deviation of three channels, as (IMAGENET_MEAN,"
            f" IMAGENET_STD), found {value!r}"
        )


def function(name: str, value: object) -> None:
    """A function, or nothing."""
    if value is not None and not callable(value):
        raise InputError(f"{name}: wanted a function, found {value!r}")
