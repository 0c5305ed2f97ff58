"""Copies of records of rare classes, until each class has as many as another."""

from __future__ import annotations

import functools
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from ...schemas.contents import Contents
from ...schemas.fingerprint import fingerprint
from ...schemas.json_value import JsonValue, as_word
from ...schemas.record import Record
from ..base import RecordStage, rows_of
from ..copies import Copies, DrawnCopies, key_of_copy, make_copies, seed_of

_NAMED = 20  # classes that the account names


class _Lack(NamedTuple):
    """How a class is filled up: so many copies of each record, and one more of those whose keys
    hash to no more than ``until``; ``rank``: which class lacks most.
    """

    each: int
    until: int
    rank: int


@dataclass(frozen=True, kw_only=True)
class Balance(Copies):
    """Adds copies of records until every class of a target has as many as another.

    target: its name; one class for each record.
    to: ``max``, as many as the largest class has; ``median``, as the one in the middle; or a
        number. Larger classes stay as they are.
    by: how copies are changed: an augmenting stage with options (``{augment.affine: {degrees: [-5,
        5]}}``); without it they are equal to what they are copies of.

    Each record of a class is copied equally often, or once more; which, its key decides.
    """

    fitted_on: ClassVar[tuple[str, ...]] = ("key", "split", "targets")

    target: str
    to: Literal["max", "median"] | int = "max"
    # Any: options of another stage
    by: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.to, int) and self.to < 1:
            raise ValueError(f"to: wanted max, median, or a number from 1 on, found {self.to}")
        _ = self._changing

    def identity(self) -> str:
        stage = self._changing
        return fingerprint(super().identity(), stage.identity()) if stage else super().identity()

    def mistakes(self, here: Contents) -> list[str]:
        lines = [*super().mistakes(here), *here.lacking_targets("target", [self.target])]
        if here.targets.get(self.target) == "list":
            lines.append(f"target: wanted one class for each record, and {self.target!r} is a list")
        stage = self._changing
        return lines + [f"by: {line}" for line in (stage.mistakes(here) if stage else ())]

    def measures(self) -> tuple[str, ...]:
        stage = self._changing
        return stage.measures() if stage else ()

    def needs_fit(self) -> bool:
        return True

    def fitted(self, table: pa.Table) -> RecordStage:
        hashes: dict[str, list[int]] = defaultdict(list)
        for key, split, targets in rows_of(table, *self.fitted_on):
            word = _class_of(json.loads(targets).get(self.target))
            if word and self.takes_split(split):
                hashes[word].append(_hash(key))
        counts = {word: len(own) for word, own in hashes.items()}
        level = self._level(list(counts.values()))
        lacking = sorted(counts, key=lambda word: (counts[word], word))
        lacks = {}
        for rank, word in enumerate(lacking):
            each, more = divmod(max(0, level - counts[word]), counts[word])
            if each or more:
                lacks[word] = _Lack(each, sorted(hashes[word])[more - 1] if more else -1, rank)
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        return _FittedBalance(**own, lacks=lacks)

    def _level(self, counts: list[int]) -> int:
        if isinstance(self.to, int) or not counts:
            return self.to if isinstance(self.to, int) else 0
        return max(counts) if self.to == "max" else round(statistics.median(counts))

    def _lack(self, record: Record) -> _Lack | None:
        """How the class of a record is filled up; None where it is not."""
        return None

    def _count(self, record: Record) -> int:
        """How many copies are made of a record."""
        lack = self._lack(record) if self.takes(record) else None
        return lack.each + (_hash(record.key) <= lack.until) if lack else 0

    @functools.cached_property
    def _changing(self) -> DrawnCopies | None:
        """The stage that changes copies; ValueError where there can be none of this name."""
        if not self.by:
            return None
        problems: list[str] = []
        if any("copies" in (options or ()) for options in self.by.values()):
            raise ValueError("by: takes no 'copies'; how many there are the classes say")
        stage = make_copies(self.by, DrawnCopies, "by", problems, only_split=self.only_split)
        if problems:
            raise ValueError("; ".join(problems))
        return stage

    # the base passes rng and address
    def split(  # type: ignore[override]
        self, record: Record, rng: np.random.Generator, address: str
    ) -> Iterable[Record]:
        count, stage = self._count(record), self._changing
        if not count or (stage is not None and not stage.is_copied(record)):
            return (record,)
        seed, copies = seed_of(rng), []
        for number in range(1, count + 1):
            changed = stage.changed_for(record, number, seed) if stage else record
            key = key_of_copy(record.key, "balance", number, address)
            copies.append(replace(changed, key=key))
        return (record, *copies)

    def remark(self, record: Record) -> str:
        stage = self._changing
        if stage is None or not self._count(record):
            return ""
        if not stage.applies(record):
            return f"no copy: nothing in it that {stage.address} changes"
        return stage.remark(record)

    def outcome(self, result: Record, before: Record) -> str:
        lack = self._lack(before)
        if result is before or lack is None:
            return ""
        if lack.rank >= _NAMED:
            return f"copies of other classes of {self.target}"
        return f"copies of {self.target}: {_class_of(before.targets.get(self.target))}"


@dataclass(frozen=True, kw_only=True)
class _FittedBalance(Balance):
    """The same with what classes lack, by class."""

    lacks: Mapping[str, _Lack] = field(default_factory=dict)

    def _lack(self, record: Record) -> _Lack | None:
        return self.lacks.get(_class_of(record.targets.get(self.target)))


def _class_of(value: JsonValue) -> str:
    """A class by its word; empty for none, and for what is no class."""
    return "" if value is None or isinstance(value, (list, dict)) else as_word(value)


def _hash(key: str) -> int:
    return xxhash.xxh3_64_intdigest(key.encode())
