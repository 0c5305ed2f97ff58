"""What augmenting stages draw, and how they write it down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ...schemas.record import Record, Step


def draw(rng: np.random.Generator, bounds: tuple[float, float], digits: int) -> float:
    """A number between two, as it is written down."""
    return round(float(rng.uniform(*bounds)), digits)


def check_range(option: str, found: tuple[float, float], low: float, high: float) -> None:
    """ValueError unless an option gives the lowest and the highest of what may be drawn, within
    [low, high].
    """
    if not low <= found[0] <= found[1] <= high:
        raise ValueError(
            f"{option}: wanted the lowest, then the highest, within {low:g} and {high:g}, found"
            f" {list(found)}"
        )


def with_steps(record: Record, names: Iterable[str], steps: Sequence[Step]) -> Record:
    """The record with more steps to be carried out on these parts."""
    changed = {
        name: replace(part, steps=(*part.steps, *steps))
        for name, part in record.parts.items()
        if name in names
    }
    return replace(record, parts={**record.parts, **changed})
