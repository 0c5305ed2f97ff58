"""The slow way, which a fast one must equal."""

from __future__ import annotations

from collections.abc import Callable


def closure(count: int, alike: Callable[[int, int], bool]) -> list[int]:
    """The smallest number that each is united with, pair by pair."""
    first = list(range(count))
    changed = True
    while changed:
        changed = False
        for one in range(count):
            for other in range(count):
                if first[one] < first[other] and alike(one, other):
                    first[other] = first[one]
                    changed = True
    return first
