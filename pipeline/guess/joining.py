"""Which proposed sources speak of the same things, and by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from .claims import as_name
from .columns import split_word
from .sources import ProposedSource

_SHARED = 0.5
_NEARLY = 0.8
_FEWEST = 2
_TABLES = ("csv", "jsonl", "xlsx", "parquet")
_ANY_ID = ("{id}", "{index}", "{idx}", "{no}", "{nr}", "{num}", "{key}", "{#}", "{ID}", "{Id}")


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
    """How a source belongs to a main one: by ids, by the main one's groups, or by the numbers in
    names of files. keys: what the ids of both are to be, where they can be several things.
    """

    share: float
    main: ProposedSource
    by: Literal["ids", "groups", "numbers"]
    words: str
    keys: tuple[str, str] = ("", "")


def find_joins(sources: Sequence[ProposedSource]) -> list[ProposedJoin]:
    """The joins under which most ids of the smaller side are found on the other. Sources that can
    be known by several things are changed to have that as their id by which they are joined.
    """
    ranked = sorted(sources, key=lambda source: (source.is_companion, -source.records))
    partners: dict[tuple[str, str], list[tuple[ProposedSource, _Link]]] = {}
    mains: list[ProposedSource] = []
    for source in ranked:
        links = [
            link
            for main in mains
            for link in _links(main, source, is_joined=(main.name, "ids") in partners)
        ]
        if not links:
            mains.append(source)
            continue
        link = max(links, key=lambda link: link.share)
        for one, key in zip((link.main, source), link.keys, strict=True):
            if link.by == "numbers":
                one.know_by_number()
            elif key:
                one.know_by(key)
        by = "groups" if link.by == "groups" else "ids"
        others = [
            other
            for (name, _), joined in partners.items()
            for other, _ in joined
            if name == link.main.name
        ]
        _keep_apart([link.main, *others], source)
        partners.setdefault((link.main.name, by), []).append((source, link))
    return [
        ProposedJoin(
            [name, *(other.name for other, _ in others)],
            by == "groups",
            [link.words for _, link in others],
        )
        for (name, by), others in partners.items()
    ]


def _links(main: ProposedSource, other: ProposedSource, is_joined: bool) -> list[_Link]:
    """Every way in which most of the smaller side is found on the other; the ids of a main source
    that others are joined to stay as they are.
    """
    if main.splits and other.splits and set(main.splits).isdisjoint(other.splits):
        return []
    links = [
        link
        for template, mine in _known_by(main, is_joined)
        for key, theirs in _known_by(other, False)
        if (link := _link(main, other, "ids", mine, theirs, (template, key))) is not None
    ]
    groups = set(main.groups.values()) - {""}
    links += [
        link
        for key, theirs in _known_by(other, False)
        if (link := _link(main, other, "groups", groups, theirs, ("", key))) is not None
    ]
    if not links and not is_joined:
        numbers = set(main.numbers()), set(other.numbers())
        link = _link(main, other, "numbers", *numbers, ("", ""))
        links += [link] if link else []
    return links


def _known_by(source: ProposedSource, is_joined: bool) -> list[tuple[str, set[str]]]:
    """What a source can be known by, with the values: what it is known by goes first."""
    own = ("", set(source.groups))
    return [own] if is_joined else [own, *((key, set(v)) for key, v in source.keys.items())]


def _link(
    main: ProposedSource,
    other: ProposedSource,
    by: Literal["ids", "groups", "numbers"],
    mine: set[str],
    theirs: set[str],
    keys: tuple[str, str],
) -> _Link | None:
    shared, smaller = len(mine & theirs), min(len(mine), len(theirs))
    # 1, 2, 3, ... are the ids of anything: then there have to be as many of them
    is_chance = by != "numbers" and _are_counted(mine) and _are_counted(theirs)
    wanted = _NEARLY * max(len(mine), len(theirs)) if is_chance else _SHARED * smaller
    if shared < max(_FEWEST, wanted):
        return None
    if is_chance and not _belong(main, other, by):
        told = (
            f"its ids are running numbers, as {by} of {main.name} are, and nothing else says that"
            " they are of the same things; if they are, begin the stages with align.join:"
            f" {{sources: [{main.name}, {other.name}]}}"
        )
        if told not in other.told:
            other.told.append(told)
        return None
    words = f"{shared:,} of {len(theirs):,} ids of {other.name} are {by} of {main.name}"
    return _Link(shared / smaller, main, by, words, keys)


def _belong(main: ProposedSource, other: ProposedSource, by: str) -> bool:
    """Whether something beside running numbers says that two tables are of the same things: their
    names, a name that their ids have in common, or that one of them holds labels alone.
    """
    if any(one.options["type"] not in _TABLES for one in (main, other)):
        return True
    if by == "groups":
        group = _words(str(main.options.get("group", "")))
        return any(word.startswith(known) for known in group for word in _words(other.name))
    ids = {str(one.options.get("id")) for one in (main, other)}
    has_name = len(ids) == 1 and ids.isdisjoint(_ANY_ID)
    names = [_words(PurePosixPath(str(one.options["path"])).stem) for one in (main, other)]
    return has_name or main.is_companion or other.is_companion or bool(names[0] & names[1])


def _words(name: str) -> set[str]:
    """The words of a name that say what it is of."""
    return {
        word
        for word in as_name(name).split("_")
        if len(word) > 2 and word not in ("data", "table") and not split_word(word)
    }


def _are_counted(names: set[str]) -> bool:
    """Whether these are running numbers."""
    if not names or not all(name.isdecimal() for name in names):
        return False
    numbers = [int(name) for name in names]
    return max(numbers) - min(numbers) == len(numbers) - 1


def _keep_apart(together: Sequence[ProposedSource], other: ProposedSource) -> None:
    """Give parts and targets that others have another name in the source that joins them."""
    taken = {name for one in together for name in (*one.parts, *one.targets)}
    for name in [*other.parts, *other.targets]:
        if name in taken:
            other.rename(name, f"{other.name}_{name}")
    first = next((one for one in together if one.splits), None)
    if first is not None and other.options.pop("split", None):
        other.told.append(f"its splits give way to those of {first.name}")
        other.splits = ()
