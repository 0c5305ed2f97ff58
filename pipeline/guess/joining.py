"""Which proposed sources speak of the same things, and by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .sources import ProposedSource

_SHARED = 0.5
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class ProposedJoin:
    """Sources whose records are one, the main one first.

    by_group: the others' ids are the groups of the main one. shares: of each of the others, how
    many of its ids the main one has, in words.
    """

    sources: list[str]
    by_group: bool
    shares: list[str]


@dataclass(frozen=True, slots=True)
class _Link:
    """How a source belongs to a main one: by its ids, its groups, or the numbers in its names."""

    share: float
    main: ProposedSource
    by: Literal["ids", "groups", "numbers"]
    words: str


def find_joins(sources: Sequence[ProposedSource]) -> list[ProposedJoin]:
    """The joins under which most ids of the smaller side are found on the other. Sources whose
    files are alike but for a number, written with other zeros, are changed to have it as their id.
    """
    ranked = sorted(sources, key=lambda source: (source.is_companion, -source.records))
    partners: dict[tuple[str, str], list[tuple[ProposedSource, _Link]]] = {}
    mains: list[ProposedSource] = []
    for source in ranked:
        links = [
            link
            for main in mains
            for link in _links(main, source)
            if link.by != "numbers" or (main.name, "ids") not in partners
        ]
        if not links:
            mains.append(source)
            continue
        link = max(links, key=lambda link: link.share)
        if link.by == "numbers":
            link.main.know_by_number()
            source.know_by_number()
        _keep_apart(link.main, source)
        partners.setdefault((link.main.name, link.by), []).append((source, link))
    return [
        ProposedJoin(
            [name, *(other.name for other, _ in others)],
            by == "groups",
            [link.words for _, link in others],
        )
        for (name, by), others in partners.items()
    ]


def _links(main: ProposedSource, other: ProposedSource) -> list[_Link]:
    """Every way in which most of the smaller side is found on the other."""
    if main.splits and other.splits and set(main.splits).isdisjoint(other.splits):
        return []
    own, theirs = set(main.groups), set(other.groups)
    if _are_counted(main, other) and main.options.get("id") != other.options.get("id"):
        return []  # 1, 2, 3, ... are the ids of anything
    sides: list[tuple[Literal["ids", "groups", "numbers"], set[str], set[str]]] = [
        ("ids", own, theirs),
        ("groups", set(main.groups.values()) - {""}, theirs),
        ("numbers", set(main.numbers()), set(other.numbers())),
    ]
    links = []
    for by, mine, others in sides:
        shared, smaller = len(mine & others), min(len(mine), len(others))
        if shared >= _FEWEST and shared >= _SHARED * smaller:
            words = f"{shared:,} of {len(others):,} ids of {other.name} are {by} of {main.name}"
            links.append(_Link(shared / smaller, main, by, words))
        if links:
            break
    return links


def _are_counted(*tables: ProposedSource) -> bool:
    """Whether the ids of all of these tables are running numbers."""
    for table in tables:
        numbers = [int(name) for name in table.groups if name.isdecimal()]
        if table.number or len(numbers) < len(table.groups) or not numbers:
            return False
        if max(numbers) - min(numbers) != len(numbers) - 1:
            return False
    return True


def _keep_apart(main: ProposedSource, other: ProposedSource) -> None:
    """Give parts and targets that both have another name in the other source."""
    for name in [*other.parts, *other.targets]:
        if name in main.parts or name in main.targets:
            other.rename(name, f"{other.name}_{name}")
    if main.splits and other.options.pop("split", None):
        other.told.append(f"its splits give way to those of {main.name}")
        other.splits = ()
