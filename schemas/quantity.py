"""What a number that rules and streams can ask for is: its unit, its range and what it says; and
the facts, which are known of a part without looking into it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from .record import Part, Step


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a part, in [low, high]; ``unit`` is empty where it has none. ``is_code``: it is
    one of many codes, and not more or less than another. ``words``: what it stands for, a word by
    its place among them; rules, conditions and tables then have the word. ``on_request``: what has
    to be asked for to have it (``speech``), where measuring does not give it anyway.
    """

    about: str
    unit: str = ""
    low: float = 0.0
    high: float = math.inf
    is_code: bool = False
    words: tuple[str, ...] = ()
    on_request: str = ""


def share(about: str) -> Quantity:
    """A quantity in [0, 1]."""
    return Quantity(about, "", 0.0, 1.0)


def one_word(about: str, words: tuple[str, ...]) -> Quantity:
    """A quantity that is one of these words, kept as its place among them."""
    return Quantity(about, "", 0.0, len(words) - 1.0, is_code=True, words=words)


FACTS: Mapping[str, Quantity] = {
    "bytes": Quantity("size of the file", "bytes"),
    "width": Quantity("as shown", "pixels"),
    "height": Quantity("as shown", "pixels"),
    "short_side": Quantity("the shorter of width and height", "pixels"),
    "long_side": Quantity("the longer of width and height", "pixels"),
    "aspect": Quantity("longer side over shorter side", "", 1.0),
    "frames": Quantity("pictures of a film, rows of a series"),
    "fps": Quantity("pictures or rows a second", "1/s"),
    "sample_rate_hz": Quantity("samples a second", "Hz"),
    "channels": Quantity("of a sound, or values of a row of a series"),
    "duration_s": Quantity("length of the part's span", "s"),
    "chars": Quantity("characters of a text"),
    "words": Quantity("words of a text, by white space"),
}


def fact(part: Part, name: str) -> float | None:
    """A fact of a part; None where it is not known, or the part has none of this name.

    >>> fact(Part("image", uri="a.png", width=30, height=20), "aspect")
    1.5
    """
    if name in _OF_TEXT:
        return None if part.text is None else float(_OF_TEXT[name](part.text))
    if name in _OF_SIDES:
        if not part.width or not part.height:
            return None
        return float(_OF_SIDES[name](part.width, part.height))
    if name not in FACTS:
        return None
    value = part.seconds() if name == "duration_s" else getattr(part, name)
    if value is None:
        return None
    return float(value * part.pace if name == "fps" else value)


def fact_column(parts: pa.StructArray, name: str) -> np.ndarray:
    """The same fact of many parts, ``float64 [N]``, NaN where :func:`fact` is None. ``parts``: as
    they stand in a manifest.
    """
    if name in _OF_TEXT:
        count = _OF_TEXT[name]
        texts = parts.field("text").to_pylist()
        return np.array([math.nan if text is None else count(text) for text in texts], np.float64)
    if name in _OF_SIDES:
        width, height = _numbers(parts, "width"), _numbers(parts, "height")
        width[width == 0], height[height == 0] = math.nan, math.nan
        return np.asarray(_OF_SIDE_COLUMNS[name](width, height), np.float64)
    if name == "fps":
        return np.asarray(_numbers(parts, name) * _paces(parts.field("steps")))
    if name != "duration_s":
        return _numbers(parts, name)
    length, end = _numbers(parts, "duration_s"), _numbers(parts, "end_s")
    start = np.nan_to_num(_numbers(parts, "start_s"))
    # of NaN and a number fmin is the number
    seconds = np.maximum(0.0, np.fmin(length, end) - start)
    return np.asarray(seconds / _paces(parts.field("steps")))


_OF_TEXT: Mapping[str, Callable[[str], int]] = {
    "chars": len,
    "words": lambda text: len(text.split()),
}
# of one picture, and of a column of them
_OF_SIDES: Mapping[str, Callable[[int, int], float]] = {
    "short_side": min,
    "long_side": max,
    "aspect": lambda width, height: max(width, height) / min(width, height),
}
_OF_SIDE_COLUMNS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "short_side": np.minimum,
    "long_side": np.maximum,
    "aspect": lambda width, height: np.maximum(width, height) / np.minimum(width, height),
}


def _paces(steps: pa.ListArray) -> np.ndarray:
    """``Part.pace`` of many parts ``float64 [N]``, from their steps as they stand in a manifest."""
    if not len(steps.flatten()):
        return np.ones(len(steps))
    return np.array(
        [
            math.prod(Step(each["op"], json.loads(each["options"])).pace for each in own or ())
            for own in steps.to_pylist()
        ],
        np.float64,
    )


def _numbers(parts: pa.StructArray, name: str) -> np.ndarray:
    column = parts.field(name).cast(pa.float64())
    return np.array(column.fill_null(math.nan).to_numpy(zero_copy_only=False))
