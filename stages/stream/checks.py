"""What users gave, looked at before anything is read: one clear error for what cannot be meant."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, get_args

from ...schemas.errors import InputError, nearest


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}: wanted a whole number, found {value!r}") from None
    if isinstance(value, bool):
        raise InputError(f"{name}: wanted a whole number, found {value!r}")
    if least is not None and number < least:
        raise InputError(f"{name}: wanted at least {least}, found {number}")
    return number


def above_zero(name: str, value: Any) -> float:
    """A number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InputError(f"{name}: wanted a number above 0, found {value!r}")
    return float(value)


def choice(name: str, value: Any, kind: Any) -> None:
    """One of the words of a ``Literal``."""
    words = get_args(kind)
    if value not in words:
        hint = nearest(value, words) if isinstance(value, str) else ""
        raise InputError(f"{name}: wanted {', '.join(words[:-1])} or {words[-1]}, found {value!r}{hint if 'mean' in hint else ''}")


def triple(name: str, values: Any) -> None:
    """Three numbers, one for each channel."""
    if (
        not isinstance(values, Sequence)
        or isinstance(values, str)
        or len(values) != 3
        or not all(isinstance(value, (int, float)) for value in values)
    ):
        raise InputError(f"{name}: wanted three numbers, one for each channel, found {values!r}")


def function(name: str, value: Any) -> None:
    """A function, or nothing."""
    if value is not None and not callable(value):
        raise InputError(f"{name}: wanted a function, found {value!r}")
