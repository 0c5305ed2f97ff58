"""Splits by hash of the group, never of the row."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import ClassVar

import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.fingerprint import uniform_for
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, rows_of

_USUAL = {"train": 0.8, "val": 0.1, "test": 0.1}
_NAME = re.compile(r"^[A-Za-z0-9_]{1,40}$")


@dataclass(frozen=True, kw_only=True)
class Split(CorpusStage):
    """Gives each record the split of its group, a pure function of the group's name and ``seed``.

    shares: split -> share of the groups, in sum 1; train .8, val .1, test .1 where nothing is said.
    folds: so many splits of equal share in their place, ``fold1`` to ``foldN``, for
    cross-validation: what trains names the others, as ``train_split: fold1+fold2``.
    keep: a split that a source gave is kept, and the others of its group get it too. Where a group
    was given two, the one that most of its records have (then the first by name) stays, and the
    records of the other are rejected: they would leak.
    seed: another seed gives another split. New data never moves old records.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "split")

    shares: dict[str, float] | None = None
    folds: int | None = None
    keep: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds is not None:
            if self.shares is not None or self.folds < 2:
                also = "" if self.shares is None else f" and shares {self.shares}"
                raise ValueError(
                    f"folds: wanted 2 or more, without shares, found {self.folds}{also}"
                )
            return
        if self.shares is None:
            return
        if (
            not self.shares
            or not all(share >= 0 for share in self.shares.values())
            or not abs(sum(self.shares.values()) - 1) <= 1e-6
        ):
            raise ValueError(
                f"shares must not be negative and must add up to 1, found {self.shares}"
            )
        for name in self.shares:
            if not _NAME.match(name):
                raise ValueError(
                    f"shares: {name!r} is no name for a split; wanted letters, digits and _"
                )

    def mistakes(self, here: Contents) -> list[str]:
        if here.copied_by is None:
            return []
        return [
            f"shares: the copies of {here.copied_by} would go into every split; put it after"
            " align.split"
        ]

    def contents(self, here: Contents) -> Contents:
        kept = here.splits if self.keep else frozenset()
        return replace(
            here,
            splits=kept | {name for name, share in self._shares().items() if share > 0},
            open_splits=self.keep and here.open_splits,
            split_by=self.address,
        )

    def _shares(self) -> dict[str, float]:
        if self.folds is not None:
            return {f"fold{number}": 1 / self.folds for number in range(1, self.folds + 1)}
        return _USUAL if self.shares is None else self.shares

    def split_of(self, group: str) -> str:
        """The split of a group that was given none."""
        place = uniform_for(self.seed, "split", group)
        shares = self._shares()
        names, ends = list(shares), itertools.accumulate(shares.values())
        return next((name for name, end in zip(names, ends, strict=True) if place < end), names[-1])

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        rows = list(rows_of(table, *self.columns))
        given: dict[str, Counter[str]] = defaultdict(Counter)
        for _, group, split in rows:
            if self.keep and split is not None:
                given[group][split] += 1
        # the commonest one; of equally common ones the first by name
        chosen = {
            group: min(counts.items(), key=lambda split: (-split[1], split[0]))[0]
            for group, counts in given.items()
        }
        decisions = {}
        for key, group, split in rows:
            mine = chosen.get(group) or self.split_of(group)
            if group in chosen and split is not None and split != mine:
                fault = Fault(
                    "group_in_two_splits",
                    split,
                    mine,
                    f"most of its group {group} is in {mine}; in {split} this record would leak",
                )
                decisions[key] = Decision(fault)
            elif split != mine:
                decisions[key] = Decision(split=mine)
        return decisions
