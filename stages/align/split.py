"""Splits by hash of the group, or by the values of a column, never of the row."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ...schemas.columns import numbered_by_name, one_array
from ...schemas.contents import Contents
from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint, uniform_for
from ...schemas.record import NO_SPLIT, Fault
from ..base import ByRow, CorpusStage, Decision, rows_of

_USUAL = {"train": 0.8, "val": 0.1, "test": 0.1}
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}\Z")
FOLD = "fold"  # what the names of folds begin with
_NO_LETTER = re.compile(r"[^A-Za-z0-9_]")
_MOST_LETTERS = 28
_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True, kw_only=True)
class Split(CorpusStage):
    """Gives each record the split of its group, a pure function of the group's name and ``seed``.

    shares: split -> share of the groups, in sum 1; train .8, val .1, test .1 where nothing is said.
    folds: so many splits of equal share in their place, ``fold1`` to ``foldN``, for
    cross-validation: ``modalmill compare --folds`` tests on each, and what trains names the others,
    as ``train_split: fold1+fold2``.
    by: a target whose value takes the place of the group's name, so that all records of a speaker
    lie in one split. Without shares and folds each value is a fold of its own (leave one group
    out): ``fold4`` of the official fold 4, ``fold_ann`` of the speaker ann. A record without the
    value goes with its group; where the whole group has none, it is missing.
    keep: a split that a source gave is kept, and the others of its group get it too. Where a group
    was given two, by its source or by ``by``, the one that most of its records have (then the first
    by name) stays, and the records of the other are rejected: they would leak.
    seed: another seed gives another split. New data never moves old records.
    """

    version = 2
    columns: ClassVar[tuple[str, ...]] = ("key", "group", "split", "targets")

    shares: dict[str, float] | None = None
    folds: int | None = None
    by: str | None = None
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
            if not _NAME.match(name) or name == NO_SPLIT:
                raise ValueError(
                    f"shares: {name!r} is no name for a split; wanted letters, digits and _, and"
                    f" {NO_SPLIT!r} is what shards call records without one"
                )

    def mistakes(self, here: Contents) -> list[str]:
        lines = [] if self.by is None else here.lacking_targets("by", [self.by])
        if self.by is not None and here.targets.get(self.by) == "list":
            lines.append(f"by: {self.by!r} is a list; wanted a target of one value")
        if here.copied_by is not None:
            lines.append(
                f"shares: the copies of {here.copied_by} would go into every split; put it after"
                " align.split"
            )
        return lines

    def contents(self, here: Contents) -> Contents:
        kept = here.splits if self.keep else frozenset()
        made = () if self._is_open else self._shares().items()
        return replace(
            here,
            splits=kept | {name for name, share in made if share > 0},
            open_splits=self._is_open or (self.keep and here.open_splits),
            split_by=self.address,
        )

    @property
    def _is_open(self) -> bool:
        """Whether the data name the splits."""
        return self.by is not None and self.shares is None and self.folds is None

    def _shares(self) -> dict[str, float]:
        if self.folds is not None:
            return {f"fold{number}": 1 / self.folds for number in range(1, self.folds + 1)}
        return _USUAL if self.shares is None else self.shares

    def split_of(self, name: str) -> str:
        """The split of a group (or value) that was given none."""
        if self._is_open:
            return fold_name(name)
        place = uniform_for(self.seed, "split", name)
        shares = {name: share for name, share in self._shares().items() if share > 0}
        names, ends = list(shares), itertools.accumulate(shares.values())
        # they add up to 1 but for what floats lose
        return next((name for name, end in zip(names, ends, strict=True) if place < end), names[-1])

    def reads(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name != "targets" or self.by is not None)

    def decide(self, table: pa.Table) -> Mapping[str, Decision]:
        group, names = numbered_by_name(one_array(table["group"]))
        given = _Words(split for (split,) in rows_of(table, "split"))
        # what a source gave comes first, and the others of the group go with it
        of_source = given.commonest(group, len(names)) if self.keep else _Words.none(len(names))
        own = _Words.none(len(group))
        if self.by is not None:
            own = _Words(self._split_by(targets) for (targets,) in rows_of(table, "targets"))
        of_value = own.commonest(group, len(names))

        def usual(number: int, name: str) -> str | None:
            """The split of a group by itself; None where the target that decides is missing."""
            return self.split_of(name) if self.by is None else of_value.of(number)

        every = (name for (name,) in rows_of(pa.table({"name": names}), "name"))
        splits = _Words(
            of_source.of(number) or usual(number, name) for number, name in enumerate(every)
        )

        def decision(row: int) -> Decision | None:
            number = int(group[row])
            mine, is_given = splits.of(number), of_source.of(number) is not None
            before, by_value = given.of(row), own.of(row)
            if mine is None:
                return Decision(self._no_target())
            other = before if is_given else by_value
            if other is not None and other != mine:
                return Decision(_torn(names[number].as_py(), mine, other))
            if is_given and by_value not in (None, mine):
                note = f"kept in the split of their source, and not in that of their {self.by}"
                return Decision(split=mine, note=note)
            return None if before == mine else _put_into(mine)

        return ByRow(
            table["key"], lambda start, stop: [decision(row) for row in range(start, stop)]
        )

    def _no_target(self) -> Fault:
        return Fault(
            f"no target {self.by}",
            None,
            "present",
            f"the target {self.by} decides the split and is not there",
            "missing",
        )

    def _split_by(self, targets: str) -> str | None:
        """The split of the value that is to decide, None where there is none."""
        value = None if self.by is None else json.loads(targets).get(self.by)
        if value is None:
            return None
        if isinstance(value, (list, dict)):
            raise InputError(
                f"{self.address}: by: {self.by!r} holds {str(value)[:60]}; wanted one value, a word"
                " or a number"
            )
        return self.split_of(_word(value))


def fold_name(word: str) -> str:
    """The fold of a value, as a split can be called: letters, digits and _. Where others stand, or
    too many, a few digits of the value's fingerprint keep it apart from its like.

    >>> fold_name("4"), fold_name("ann")
    ('fold4', 'fold_ann')
    """
    plain = _NO_LETTER.sub("_", word)[:_MOST_LETTERS]
    name = FOLD + ("" if plain[:1].isdigit() else "_") + plain
    return name if plain == word else f"{name}_{fingerprint(word)[:6]}"


def _word(value: object) -> str:
    """A value as a word: 4.0 is 4, as a number and as the text that a table has of it; else one
    speaker would be in two splits.
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    word = str(value).strip()
    whole = _WHOLE.fullmatch(word)
    return whole[1] if whole else word


@functools.cache
def _put_into(split: str) -> Decision:
    """One decision for all that go there."""
    return Decision(split=split)


def _torn(group: str, mine: str, other: str) -> Fault:
    return Fault(
        "group_in_two_splits",
        other,
        mine,
        f"most of its group {group} is in {mine}; in {other} this record would leak",
    )


class _Words:
    """Some words, each kept once, for rows that mostly have the same ones; None for none."""

    def __init__(self, words: Iterable[str | None]) -> None:
        numbers: dict[str | None, int] = {None: 0}
        self._numbers = np.fromiter(
            (numbers.setdefault(word, len(numbers)) for word in words), np.int32
        )
        self._words = list(numbers)

    @classmethod
    def none(cls, count: int) -> _Words:
        """No word for so many rows."""
        words = cls(())
        words._numbers = np.zeros(count, np.int32)
        return words

    def of(self, row: int) -> str | None:
        """The word of a row."""
        word: str | None = self._words[self._numbers[row]]
        return word

    def commonest(self, groups: np.ndarray, count: int) -> _Words:
        """The word that most rows of a group have, of equally common ones the first by name; None
        where no row of it has one. groups: ``int [N]``, the group of each row, below ``count``.
        """
        result = _Words.none(count)
        result._words = self._words
        known = self._numbers > 0
        pairs = groups[known].astype(np.int64) * len(self._words) + self._numbers[known]
        pairs, times = np.unique(pairs, return_counts=True)
        most = np.zeros(count, np.int32)
        for pair, often in zip(pairs.tolist(), times.tolist(), strict=True):
            group, number = divmod(pair, len(self._words))
            word, before = self._words[number], result.of(group)
            is_first = before is None or (word is not None and word < before)
            if often > most[group] or (often == most[group] and is_first):
                result._numbers[group], most[group] = number, often
        return result
