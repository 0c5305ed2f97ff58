"""What every method that contrasts parts takes: a weight and a temperature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from ....schemas.json_value import JsonValue


class Contrast(TypedDict):
    """What the cards of such methods have in common."""

    options: Mapping[str, JsonValue]
    least: Mapping[str, float]
    fault: Callable[[int, Mapping[str, float]], str]


def contrast_fault(parts: int, options: Mapping[str, float]) -> str:
    """What is wrong with a temperature, or nothing."""
    return "" if options["temperature"] > 0 else "wanted a temperature above 0"


CONTRAST: Contrast = {
    "options": {"weight": 0.2, "temperature": 0.07},
    "least": {"weight": 0},
    "fault": contrast_fault,
}
