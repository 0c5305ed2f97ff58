"""The account: for every source and stage, what went in and what became of it.

    in + copies made = written + rejected + merged + missing

``in`` is counted where things are read, the right-hand side where they are written; and the ``in``
of each stage must be the ``written`` of the one before. So a record that vanished anywhere makes
the account not add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from .html import html_lines, html_table

_NUMBERS = ("read", "copies", "written", "rejected", "merged", "missing")
_COUNTERS = ("kinds", "presence", "reasons", "unmatched", "splits", "notes")

# "in" is no name to Python, so that this one is no class
_Numbers = TypedDict(
    "_Numbers",
    {
        "in": int,
        "copies": int,
        "written": int,
        "rejected": int,
        "merged": int,
        "missing": int,
        "adds_up": bool,
    },
)


class CountOnDisk(_Numbers, total=False):
    """A :class:`Count` as ``account.json`` has it; of the counters those that hold something."""

    kinds: dict[str, int]
    presence: dict[str, int]
    reasons: dict[str, int]
    unmatched: dict[str, int]
    splits: dict[str, int]
    notes: dict[str, int]


class AccountOnDisk(TypedDict):
    """``account.json``. sources, stages: by name. rejects_by_reason, unmatched: of all of them,
    with the name before. limit: only of a limited run.
    """

    limit: NotRequired[int]
    adds_up: bool
    problems: list[str]
    sources: dict[str, CountOnDisk]
    stages: dict[str, CountOnDisk]
    rejects_by_reason: dict[str, int]
    unmatched: dict[str, int]


@dataclass(slots=True)
class Count:
    """What became of the things that went into one source or stage.

    kinds: what was read, by kind. presence: written records by the parts they have. reasons: those
        not written, by rule.
    unmatched: written records that go on without a partner, by which. splits: written records by
    split. notes: what else a person should know, as it is told: files passed over, parts taken
    away, choices made.
    """

    name: str
    read: int = 0
    copies: int = 0
    written: int = 0
    rejected: int = 0
    merged: int = 0
    missing: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    presence: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def adds_up(self) -> bool:
        """Whether everything that went in is accounted for."""
        return self.read + self.copies == self.written + self.rejected + self.merged + self.missing

    def add(self, other: Count) -> None:
        """Add the numbers of another partition of the same stage."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))

    def to_dict(self) -> CountOnDisk:
        """The count as plain JSON values; ``read`` is called ``in``."""
        value: CountOnDisk = {
            "in": self.read,
            "copies": self.copies,
            "written": self.written,
            "rejected": self.rejected,
            "merged": self.merged,
            "missing": self.missing,
            "adds_up": self.adds_up(),
        }
        if self.kinds:
            value["kinds"] = _sorted(self.kinds)
        if self.presence:
            value["presence"] = _sorted(self.presence)
        if self.reasons:
            value["reasons"] = _sorted(self.reasons)
        if self.unmatched:
            value["unmatched"] = _sorted(self.unmatched)
        if self.splits:
            value["splits"] = _sorted(self.splits)
        if self.notes:
            value["notes"] = _sorted(self.notes)
        return value

    @classmethod
    def from_dict(cls, name: str, value: CountOnDisk) -> Count:
        """The count that :meth:`to_dict` wrote."""
        return cls(
            name,
            read=int(value["in"]),
            copies=int(value["copies"]),
            written=int(value["written"]),
            rejected=int(value["rejected"]),
            merged=int(value["merged"]),
            missing=int(value["missing"]),
            kinds=Counter(value.get("kinds", {})),
            presence=Counter(value.get("presence", {})),
            reasons=Counter(value.get("reasons", {})),
            unmatched=Counter(value.get("unmatched", {})),
            splits=Counter(value.get("splits", {})),
            notes=Counter(value.get("notes", {})),
        )


@dataclass(slots=True)
class Account:
    """The counts of one run: its sources, then its stages in order. limit: how many records of each
    source it took, None for all.
    """

    sources: list[Count] = field(default_factory=list)
    stages: list[Count] = field(default_factory=list)
    limit: int | None = None

    def __repr__(self) -> str:
        read = sum(count.read for count in self.sources)
        written = self.stages[-1].written if self.stages else self._given()
        return (
            f"Account({read:,} in, {written:,} written; {_counted(self.sources, 'source')},"
            f" {_counted(self.stages, 'stage')}; {self._verdict()})"
        )

    def _repr_html_(self) -> str:
        """As a notebook shows it: a row for each source and stage, then why records were left out
        and what else a person should know.
        """
        every = [*self.sources, *self.stages]
        rows = [
            [count.name, *(f"{getattr(count, name):,}" for name in _NUMBERS)] for count in every
        ]
        reasons = [
            [f"{count.name}: {what}", f"{number:,}"]
            for count in every
            for counts in (count.reasons, count.unmatched, count.notes)
            for what, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        shown = html_table(["source or stage", "in", *_NUMBERS[1:]], rows)
        if reasons:
            shown += html_table(["left out, merged, without a partner, or noted", ""], reasons)
        return shown + html_lines([f"The account {self._verdict()}.", *self.problems()])

    def _given(self) -> int:
        """How many records the sources gave."""
        return sum(count.written for count in self.sources)

    def _verdict(self) -> str:
        return "does not add up" if self.problems() else "adds up"

    def problems(self) -> list[str]:
        """One line for each place where the account does not add up."""
        lines = [
            f"{count.name}: {_equation(count)}"
            for count in [*self.sources, *self.stages]
            if not count.adds_up()
        ]
        before = self._given()
        for count in self.stages:
            if count.read != before:
                lines.append(
                    f"{count.name}: {count.read:,} went in, but {before:,} were written before it"
                )
            before = count.written
        return lines

    def to_dict(self) -> AccountOnDisk:
        """The account as one JSON object."""
        every = [*self.sources, *self.stages]
        reasons = {
            f"{count.name}: {reason}": number
            for count in every
            for reason, number in count.reasons.items()
        }
        unmatched = {
            f"{count.name}: {partner}": number
            for count in every
            for partner, number in count.unmatched.items()
        }
        value: AccountOnDisk = {
            "adds_up": not self.problems(),
            "problems": self.problems(),
            "sources": {count.name: count.to_dict() for count in self.sources},
            "stages": {count.name: count.to_dict() for count in self.stages},
            "rejects_by_reason": _sorted(reasons),
            "unmatched": _sorted(unmatched),
        }
        return value if self.limit is None else {"limit": self.limit, **value}

    @classmethod
    def from_dict(cls, value: AccountOnDisk) -> Account:
        """The account that :meth:`to_dict` wrote."""
        return cls(
            [Count.from_dict(name, count) for name, count in value["sources"].items()],
            [Count.from_dict(name, count) for name, count in value["stages"].items()],
            value.get("limit"),
        )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _counted(things: list[Count], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _equation(count: Count) -> str:
    right = count.written + count.rejected + count.merged + count.missing
    return (
        f"{count.read:,} in + {count.copies:,} copies, but {right:,} written, rejected, merged"
        " and missing"
    )


def presence_pattern(names: Iterable[str]) -> str:
    """The name of a presence pattern: ``image+question``; ``(nothing)`` for a record
    without parts.
    """
    return "+".join(sorted(names)) or "(nothing)"
