"""The subsets of a model's parts, and how they are called."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from ....schemas.errors import InputError
from ..options import MOST_PARTS


def subsets_of(names: Sequence[str]) -> dict[str, tuple[bool, ...]]:
    """Every subset of the parts by its name, the smallest first; InputError where they are too many
    to be asked about.
    """
    if len(names) > MOST_PARTS:
        raise InputError(
            f"{len(names)} inputs make {2 ** len(names)} subsets; at most {MOST_PARTS} inputs are"
            " evaluated in full"
        )
    masks = sorted(
        itertools.product((False, True), repeat=len(names)),
        key=lambda mask: (sum(mask), [not x for x in mask]),
    )
    return {subset_name(names, mask): mask for mask in masks}


def subset_name(names: Sequence[str], shown: Iterable[bool]) -> str:
    """``image+question`` of a mask over the parts."""
    return "+".join(name for name, here in zip(names, shown, strict=True) if here) or "(nothing)"


def size_of(name: str) -> int:
    """How many parts a subset of that name has."""
    return name.count("+") + (name != "(nothing)")


def largest_first(names: Iterable[str]) -> list[str]:
    """The names of subsets, those of the most parts first."""
    return sorted(names, key=lambda name: (-size_of(name), name))
