"""Copies of records with changes drawn from a seed: the base of the augmenting stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.contents import Contents, names_of
from ...schemas.record import Part, Record, Step, make_key
from ..base import RecordStage


@dataclass(frozen=True, kw_only=True)
class Copies(RecordStage):
    """A stage that adds changed copies of records in one split.

    only_split: copies are made in this split alone, or in several (``fold1+fold2``), and of records
        without a split; empty for all.
    """

    only_split: str = "train"

    def mistakes(self, here: Contents) -> list[str]:
        return (
            here.lacking_split("only_split", self.only_split)
            if self.only_split and here.splits
            else []
        )

    def contents(self, here: Contents) -> Contents:
        bare = self.only_split and not here.splits and not here.open_splits
        return replace(here, copied_by=here.copied_by or (self.address if bare else None))

    def takes(self, record: Record) -> bool:
        """Whether this record's split is one to be copied."""
        return self.takes_split(record.split)

    def takes_split(self, split: str | None) -> bool:
        """Whether records of a split are to be copied."""
        return not self.only_split or split is None or split in names_of(self.only_split)


@dataclass(frozen=True, kw_only=True)
class DrawnCopies(Copies):
    """A stage that adds copies of a record, each with changes drawn from a seed.

    copies: number of copies.
    """

    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies: wanted 1 or more, found {self.copies}")

    # the base passes rng where it is asked for
    def split(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:  # type: ignore[override]
        return (record, *self.copies_of(record, rng)) if self.takes(record) else (record,)

    def copies_of(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:
        """The copies of a record whose split is to be copied; none where it has nothing to
        change.
        """
        raise NotImplementedError


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


def copy_of(record: Record, word: str, number: int) -> Record:
    """A copy with a key of its own, in the same group."""
    return replace(record, key=make_key(record.key, f"{word}{number}"))


def with_step(part: Part, step: Step) -> Part:
    """The part with one more step to be carried out."""
    return replace(part, steps=(*part.steps, step))
