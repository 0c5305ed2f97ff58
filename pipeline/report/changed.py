"""What is otherwise than in the run before: options of the recipe, counts by stage and reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import yaml

from ...schemas.account import Account, Count
from ..before import Before
from .markup import Markup, count_of, data_table, element, joined, section, shortened
from .output import Output, read_json

_ROWS = 60
_NUMBERS = ("in", "copies", "written", "rejected", "merged", "missing")


class Change(NamedTuple):
    """One number of a source or stage that is another one; None where there is no such line."""

    where: str
    what: str
    before: int | None
    now: int | None

    @property
    def difference(self) -> int:
        return (self.now or 0) - (self.before or 0)


def before_of(output: Output) -> Before | None:
    """The run before, where it came to another account and is known."""
    found = read_json(output.folder.work.before)
    return found  # type: ignore[return-value]  # as a run wrote it


def changed_section(output: Output, before: Before | None) -> Markup | None:
    """None where no run before is known that came to another account."""
    if before is None:
        return None
    changes = list(changes_of(Account.from_dict(before["account"]), output.account))
    rows: list[list[object]] = [
        [
            change.where,
            shortened(change.what, 160),
            _shown(change.before),
            _shown(change.now),
            f"{change.difference:+,}",
        ]
        for change in changes[:_ROWS]
    ]
    more = len(changes) - _ROWS
    return section(
        "changed",
        "What changed against the run before",
        _options(before, output),
        data_table(
            "Counts that are others than before",
            ["where", "what", "before", "now", ""],
            rows,
            "  nnn",
        )
        if rows
        else element("p", "Every count is as it was."),
        element("p", f"Not shown: {count_of(more, 'count')} more.") if more > 0 else None,
    )


def _shown(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def changes_of(before: Account, now: Account) -> Iterator[Change]:
    """The numbers that differ: by source and stage in their order, and of each the reasons."""
    for old, new in (
        *_pairs(before.sources, now.sources),
        *_pairs(before.stages, now.stages),
    ):
        place = new or old
        assert place is not None
        was, is_now = _numbers(old), _numbers(new)
        for what in dict.fromkeys([*is_now, *was]):
            if was.get(what) != is_now.get(what):
                yield Change(place.name, what, was.get(what), is_now.get(what))


def _pairs(before: list[Count], now: list[Count]) -> Iterator[tuple[Count | None, Count | None]]:
    old = {count.name: count for count in before}
    names = {count.name for count in now}
    yield from ((old.get(count.name), count) for count in now)
    yield from ((count, None) for count in before if count.name not in names)


def _numbers(count: Count | None) -> dict[str, int]:
    """The counts of a line by what they are of; those that are 0 are not told."""
    if count is None:
        return {}
    numbers = {
        name: number
        for name in _NUMBERS
        if (number := getattr(count, "read" if name == "in" else name))
    }
    for word, counts in (
        ("left out", count.reasons),
        ("without a partner", count.unmatched),
        ("noted", count.notes),
        ("split", count.splits),
    ):
        numbers |= {f"{word}: {what}": number for what, number in sorted(counts.items())}
    return numbers


def _options(before: Before, output: Output) -> Markup | None:
    """Options of the two recipes that differ."""
    try:
        now = output.folder.recipe.read_text(encoding="utf-8")
        was, is_now = (dict(_flat(yaml.safe_load(text))) for text in (before["recipe"], now))
    except (OSError, yaml.YAMLError) as error:
        return element("p", "The recipes cannot be compared: ", str(error))
    rows: list[list[object]] = [
        [name, shortened(was.get(name, "–"), 120), shortened(is_now.get(name, "–"), 120)]
        for name in dict.fromkeys([*was, *is_now])
        if was.get(name) != is_now.get(name)
    ]
    if not rows:
        return element("p", "The recipe is the same; what it reads, or this program, is not.")
    more = len(rows) - _ROWS
    return joined(
        data_table("Options of the recipe", ["option", "before", "now"], rows[:_ROWS]),
        element("p", f"Not shown: {count_of(more, 'option')} more.") if more > 0 else None,
    )


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a recipe by their path: ``stages.0.clean.image.max_dark``."""
    if isinstance(value, Mapping) and value:
        for key, own in value.items():
            yield from _flat(own, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, own in enumerate(value):
            yield from _flat(own, f"{name}.{place}")
    else:
        yield name, json.dumps(value, ensure_ascii=False, default=str)
