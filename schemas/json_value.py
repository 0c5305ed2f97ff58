"""What a JSON file can hold, where its form is free: options, targets, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonValue: TypeAlias = (
    "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)


def as_word(value: JsonValue) -> str:
    """A plain value as a person writes it: whole numbers without a point, so that 1 and 1.0 are
    one.

    >>> as_word(7.0), as_word(0.5), as_word("007")
    ('7', '0.5', '007')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
