"""What records can hold at one place of a recipe: names alone, told by the recipe before any data
is read.

Sources say what they give, stages say what they ask for and what they add; so a mistyped part,
target or split is a mistake in the recipe, not a corpus in which everything is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from .errors import nearest

Kind: TypeAlias = Literal["text", "number", "list"]
T = TypeVar("T")


def names_of(split: str) -> list[str]:
    """The splits that are meant by one name, or by several joined by ``+``.

    >>> names_of("fold1+fold2")
    ['fold1', 'fold2']
    """
    return list(dict.fromkeys(split.split("+")))


@dataclass(frozen=True, slots=True)
class Contents:
    """Names that records can have here.

    parts: part -> modality, or None where only the files tell it.
    targets: target -> kind of its values, or None where only the data tell it.
    splits: splits that records can be in. ``open_splits``: the data name the splits, so there may
        be others.
    sources: the sources they come from.
    measured: modalities that are decoded and measured before the stages, and what they measure on
        request (``audio.speech``).
    signals: numbers that a stage gave to records or parts, beside what is measured.
    copied_by: the first stage that made copies while records had no split.
    split_by: the stage that gave records their splits, if one did.
    """

    parts: Mapping[str, str | None] = field(default_factory=dict)
    targets: Mapping[str, Kind | None] = field(default_factory=dict)
    splits: frozenset[str] = frozenset()
    open_splits: bool = False
    sources: frozenset[str] = frozenset()
    measured: frozenset[str] = frozenset()
    signals: frozenset[str] = frozenset()
    copied_by: str | None = None
    split_by: str | None = None

    def __or__(self, other: Contents) -> Contents:
        """What records of both can hold; where they differ in a kind it is not known."""
        return Contents(
            _union(self.parts, other.parts),
            _union(self.targets, other.targets),
            self.splits | other.splits,
            self.open_splits or other.open_splits,
            self.sources | other.sources,
            self.measured | other.measured,
            self.signals | other.signals,
            self.copied_by or other.copied_by,
            self.split_by or other.split_by,
        )

    def lacking_parts(
        self, option: str, names: Iterable[str], modality: str | None = None
    ) -> list[str]:
        """One line for each of the names that no record can have as a part, or has of another
        modality than this.
        """
        lines = []
        for name in names:
            if name not in self.parts:
                lines.append(_nothing(option, "part", name, self.parts))
            elif modality is not None and self.parts[name] not in (None, modality):
                lines.append(
                    f"{option}: wanted a part of {modality}, and {name!r} is {self.parts[name]}"
                )
        return lines

    def lacking_targets(self, option: str, names: Iterable[str]) -> list[str]:
        """One line for each of the names that no record can have as a target."""
        return [
            _nothing(option, "target", name, self.targets)
            for name in names
            if name not in self.targets
        ]

    def lacking_split(self, option: str, name: str) -> list[str]:
        """A line where no record can have this split, or one of several (``fold1+fold2``)."""
        lacking = [one for one in names_of(name) if one not in self.splits]
        if self.open_splits or not lacking:
            return []
        if not self.splits:
            return [
                f"{option}: wants the split {name!r}, and records have no split; add the stage"
                " align.split"
            ]
        return [_nothing(option, "split", lacking[0], self.splits)]

    def too_late(self, what: str) -> list[str]:
        """A line where records have been split already, and ``what`` changes which of them belong
        together.
        """
        return (
            []
            if self.split_by is None
            else [f"{what}, which would then lie in several splits; put it before {self.split_by}"]
        )

    def lacking_sources(self, option: str, names: Iterable[str]) -> list[str]:
        """One line for each of the names that is no source."""
        return [
            f"{option}: no source is called {name!r}{nearest(name, self.sources)}"
            for name in names
            if name not in self.sources
        ]


def _union(one: Mapping[str, T | None], other: Mapping[str, T | None]) -> dict[str, T | None]:
    unlike = {name for name in one if name in other and one[name] != other[name]}
    return {name: None if name in unlike else value for name, value in {**one, **other}.items()}


def _nothing(option: str, kind: str, name: str, known: Iterable[str]) -> str:
    return f"{option}: nothing before it gives a {kind} called {name!r}{nearest(name, known)}"
