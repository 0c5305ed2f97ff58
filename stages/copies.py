"""Copies of records with changes drawn from a seed: the base of the augmenting stages.

Which changes a copy has depends on the seed, the record's key and the number of the copy alone. So
a stream can make the third copy of a record in the third epoch, and it is the one that the stage
would have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np

from ..schemas.contents import Contents, names_of
from ..schemas.record import Record, make_key
from .base import Addressed, RecordStage, entry_of, find, make, placed_names

T = TypeVar("T", bound="ChangedCopies")


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
class ChangedCopies(Copies):
    """A stage that adds changed copies of a record, one of each.

    It writes ``takes_kind(kind)``, ``changed(record, rng)``, and ``why_not(record)`` where there
    are records that it has to leave alone. word: what stands in the keys of its copies; where it is
    empty, its address without ``augment``.
    """

    version: ClassVar[int] = 2
    word: ClassVar[str] = ""

    @property
    def count(self) -> int:
        """How many copies it adds of a record."""
        return 1

    def mistakes(self, here: Contents) -> list[str]:
        kinds = {name: kind for name, kind in here.parts.items() if kind is not None}
        if len(kinds) < len(here.parts) or not kinds or any(map(self.takes_kind, kinds.values())):
            return super().mistakes(here)
        found = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        return [*super().mistakes(here), f"changes nothing that records have: {found}"]

    def takes_kind(self, kind: str) -> bool:
        """Whether parts of a modality are what it changes."""
        return True

    def applies(self, record: Record) -> bool:
        """Whether the record has something that it changes."""
        return any(self.takes_kind(part.modality) for part in record.parts.values())

    def why_not(self, record: Record) -> str:
        """Why a record that it applies to gets no copy, in the same words for all alike; empty
        where it gets them.
        """
        return ""

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        """The record with the changes of one copy, under its old key."""
        raise NotImplementedError

    def copy(self, record: Record, number: int, seed: int, address: str) -> Record:
        """The copy of this number, counted from 1, with a key of its own, in the same group.

        seed: the record's, as ``seed_of`` draws it. address: of the stage where it stands, which
        tells its copies from those of another of the kind.
        """
        copy = self.changed_for(record, number, seed)
        word = self.word or self.address.removeprefix("augment.")
        return replace(copy, key=key_of_copy(record.key, word, number, address))

    def changed_for(self, record: Record, number: int, seed: int) -> Record:
        """The record with the changes of the copy of this number, under its old key."""
        return self.changed(record, np.random.Generator(np.random.Philox(key=[seed, number])))

    def remark(self, record: Record) -> str:
        return self.why_not(record) if self.takes(record) and self.applies(record) else ""

    # the base passes rng where it is asked for
    def split(  # type: ignore[override]
        self, record: Record, rng: np.random.Generator, address: str
    ) -> Iterable[Record]:
        if not self.is_copied(record):
            return (record,)
        seed = seed_of(rng)
        numbers = range(1, self.count + 1)
        return (record, *(self.copy(record, number, seed, address) for number in numbers))

    def is_copied(self, record: Record) -> bool:
        """Whether copies are made of it."""
        return self.takes(record) and self.applies(record) and not self.why_not(record)


@dataclass(frozen=True, kw_only=True)
class DrawnCopies(ChangedCopies):
    """The same with as many copies as one wants.

    copies: number of copies.
    """

    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies: wanted 1 or more, found {self.copies}")

    @property
    def count(self) -> int:
        return self.copies


def seed_of(rng: np.random.Generator) -> int:
    """What the copies of one record are drawn from."""
    return int(rng.integers(2**63))


def key_of_copy(key: str, word: str, number: int, address: str) -> str:
    """The key of a copy of the record of this key.

    >>> key_of_copy("a", "noise", 1, "augment.noise")
    'a-noise1'
    >>> key_of_copy("a", "noise", 1, "augment.noise#2")
    'a-noise2_1'
    """
    place = address.partition("#")[2]
    return make_key(key, f"{word}{place}_{number}" if place else f"{word}{number}")


class PlacedCopies(NamedTuple):
    """A stage that copies, and its address where it stands (``augment.noise``,
    ``augment.noise#2``), from which its draws come.
    """

    address: str
    stage: ChangedCopies


def placed_copies(entries: Sequence[object], where: str) -> tuple[list[PlacedCopies], list[str]]:
    """The stages of a list that is written as the ``stages`` of a recipe, and every mistake in it
    as one line; of records of every split where they do not say ``only_split``.
    """
    problems: list[str] = []
    every = [
        make_copies(entry, ChangedCopies, f"{where}.{number}", problems, only_split="")
        for number, entry in enumerate(entries)
    ]
    stages = [stage for stage in every if stage is not None]
    names = placed_names(stage.address for stage in stages)
    return [*map(PlacedCopies, names, stages)], problems


def make_copies(
    entry: object, kind: type[T], where: str, problems: list[str], **standard: object
) -> T | None:
    """A stage that copies, of an entry written as ``address`` or ``address: {options}``; None where
    there can be none, and ``problems`` says why. standard: what options are where they are not
    given.
    """
    address, options = entry_of(entry, where, problems)
    if not address:
        return None
    try:
        cls = find(address, Addressed)
    except KeyError as error:
        problems.append(f"{where}: {error.args[0]}")
        return None
    if not issubclass(cls, kind):
        takes = " that takes 'copies'" if kind is DrawnCopies else ""
        problems.append(f"{where}: wanted an augmenting stage{takes}, found {address}")
        return None
    if options is None or isinstance(options, Mapping):
        options = {**standard, **(options or {})}
    stage, mistakes = make(address, kind, options, f"{where} ({address})")
    problems += mistakes
    return stage
