"""Splits by hash of the group, never of the row."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from ...schemas.fingerprint import uniform_for
from ...schemas.record import Record
from ..base import RecordStage


@dataclass(frozen=True, kw_only=True)
class Split(RecordStage):
    """Gives each record the split of its group, a pure function of the group's name and ``seed``.

    shares: split -> share of the groups, in sum 1.
    keep: leave records that their source already gave a split as they are.
    seed: another seed gives another split. New data never moves old records.
    """

    shares: dict[str, float] = field(default_factory=lambda: {"train": 0.8, "val": 0.1, "test": 0.1})
    keep: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.shares or min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares must be positive and add up to 1, found {self.shares}")

    def apply(self, record: Record) -> Record:
        if self.keep and record.split is not None:
            return record
        place = uniform_for(self.seed, "split", record.group)
        ends = itertools.accumulate(self.shares.values())
        names = list(self.shares)
        return replace(record, split=next((name for name, end in zip(names, ends, strict=True) if place < end), names[-1]))
