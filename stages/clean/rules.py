"""Rules in words: conditions on any signals, facts and targets of a record, with limits that the
corpus itself may set.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from ...schemas.columns import one_array
from ...schemas.contents import Contents
from ...schemas.errors import InputError, nearest
from ...schemas.manifest import number_columns
from ...schemas.quantity import FACTS, fact_column
from ...schemas.record import Fault, Record
from ...schemas.where import Where
from ..base import Bounds, Judgement, RecordStage
from ..modality import Modality, every_on_disk, is_in_record, modality
from ..signal import quantities_of, words_of
from ._in_words import COLUMNS, WANTED, Limits, RuleInWords, part_and_word, rule_of
from ._judging import Judges

_KNOWN_FIRST = frozenset({"bytes", "chars", "words"})  # without a look into the file


@dataclass(frozen=True, kw_only=True)
class Rules(Judges):
    """Rejects records that break a rule, or takes the part away that breaks it.

    rules: what is looked at -> what is wanted of it. Looked at are signals and facts of parts
        (``image.sharpness``, ``voice.duration_s``; ``modalmill signals`` lists them), targets,
        ``key``, ``group``, ``split``, ``source``, what ``align.signals`` gave, and what ``+ - * /``
        makes of them. Wanted is a comparison (``">= 100"``, ``"== yes"``), a range with its ends
        (``[-30, -10]``), words to choose from (``[en, de]``), a regular expression that a text
        matches from end to end (``"matches [a-z]+"``), quantiles of all records that come here
        (``"p1..p99"``, ``">= p5"``), ``"mad 5"`` for at most five robust standard deviations from
        the median (Hampel 1974), or ``true`` where the left side is a condition, as in the
        ``where`` of a stream. They may stand among the options:
        ``clean.rules: {image.dark: "< 0.9"}``.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.

    A rule on a part that the record does not have says nothing, and neither does one on a number
    that is not known of it, which the account then tells.
    """

    rules: dict[str, object] = field(default_factory=dict)
    on_fault: Literal["reject", "drop_part"] = "reject"

    @classmethod
    def spelled(cls, options: Mapping[str, object]) -> dict[str, object]:
        options = dict(options)
        named: dict[str, object] = {
            name: options.pop(name) for name in ("rules", "on_fault") if name in options
        }
        rules = named.get("rules", {})
        if isinstance(rules, Mapping):
            flat: dict[str, object] = {}
            for left, wanted in itertools.chain(_flat(rules), _flat(options)):
                if left.strip() in flat:
                    raise ValueError(
                        f"{left.strip()!r} stands here twice, under rules or as a section, and only"
                        " one of them can count"
                    )
                flat[left.strip()] = wanted
            named["rules"] = flat
        return named

    def __post_init__(self) -> None:
        for left, wanted in self.rules.items():
            try:
                rule_of(left, wanted)
            except InputError as error:
                raise ValueError(str(error)) from None

    def measured(self, here: Contents) -> tuple[str, ...]:
        kinds: set[str] = set()
        for rule in self._all():
            for part, word in map(part_and_word, rule.names):
                kind = here.parts.get(part)
                is_given = f"{part}.{word}" in here.signals
                if part not in here.parts or word in _KNOWN_FIRST or is_given:
                    continue
                # where it is None, the files alone tell what it is
                choices = every_on_disk() if kind is None else [modality(kind)]
                kinds.update(
                    _asked(each, word)
                    for each in choices
                    if _is_measured(each, word, is_known=kind is not None)
                )
        return tuple(sorted(kinds))

    def mistakes(self, here: Contents) -> list[str]:
        if not self.rules:
            return [f"rules: {WANTED.replace('wanted', 'wanted what is looked at, and of it')}"]
        lines = []
        for rule in self._all():
            for name in sorted(rule.names):
                lines += _unknown(rule.left, name, here)
            lines += _unlike(rule, here)
            lines += here.lacking_parts(rule.left, sorted(rule.asked_for()))
            if "split" in rule.names and not here.splits and not here.open_splits:
                lines += here.lacking_split(rule.left, "train")
            if self.on_fault == "drop_part" and len(rule.parts(here.parts)) != 1:
                lines.append(
                    f"{rule.left}: on_fault drop_part wants rules on one part, of which it is plain"
                    f" what goes; this one is on {len(rule.parts(here.parts))}"
                )
        return lines

    def bounds(self) -> dict[str, Bounds]:
        found = {}
        for rule in self._all():
            low, high = (_end(end, rule.limits) for end in rule.ends)
            if rule.names == {rule.left} and (low, high) != (None, None):
                found[rule.left] = Bounds(
                    rule.left,
                    -math.inf if low is None else low,
                    math.inf if high is None else high,
                )
        return found

    def needs_fit(self) -> bool:
        return any(rule.limits for rule in self._all())

    def fitted(self, table: pa.Table) -> RecordStage:
        columns = _Columns(table)
        limits = {
            rule.left: rule.limits_of(columns.numbers(rule.left))
            for rule in self._all()
            if rule.limits
        }
        return _FittedRules(rules=self.rules, on_fault=self.on_fault, limits=limits)

    def judge(self, record: Record) -> Judgement:
        verdicts: dict[tuple[str, str], bool] = {}
        faults: dict[str, Fault] = {}
        broken: Fault | None = None
        unknown: list[str] = []
        for rule in self._all():
            limits = self._limits(rule)
            kept = rule.keeps(record, limits)
            read = rule.parts(record.parts)
            if kept is None:
                if all(part in record.parts for part in rule.named_parts(record)):
                    unknown.append(rule.left)
                continue
            # a rule on targets alone is one on all parts
            verdicts |= {(part, rule.left): kept for part in read or record.parts}
            if not kept:
                fault = rule.fault(record, limits)
                broken = broken or fault
                faults = dict.fromkeys(read, fault) | faults
        if self.on_fault == "reject" and broken is not None:
            return Judgement(verdicts, broken)
        drops = faults if self.on_fault == "drop_part" else {}
        remark = f"kept, for it is not known of them: {', '.join(unknown)}" if unknown else ""
        return Judgement(verdicts, None, drops, remark)

    def _limits(self, rule: RuleInWords) -> Limits:
        """What the corpus sets for a rule; nothing before it was seen."""
        return {}

    def _all(self) -> list[RuleInWords]:
        return [rule_of(left, wanted) for left, wanted in self.rules.items()]


@dataclass(frozen=True, kw_only=True)
class _FittedRules(Rules):
    """Rules with the limits that the corpus set, by what is looked at."""

    limits: Mapping[str, Limits] = field(default_factory=dict)

    def _limits(self, rule: RuleInWords) -> Limits:
        return self.limits.get(rule.left, {})


def _end(text: str, limits: tuple[str, ...]) -> float | str | None:
    """An end of what a rule allows: a number, or the limit that the corpus sets."""
    if text in limits:
        return text
    try:
        return float(text)
    except ValueError:
        return None


def _unknown(left: str, name: str, here: Contents) -> list[str]:
    """A line where no record can have what a rule reads."""
    part, word = part_and_word(name)
    if name in (*COLUMNS, *here.signals) or name.removeprefix("targets.") in here.targets:
        return []
    if not part:
        return here.lacking_targets(left, [name])
    if lines := here.lacking_parts(left, [part]):
        return lines
    kind = here.parts[part]
    # where it is None, the files alone tell what it is
    choices = every_on_disk() if kind is None else [modality(kind)]
    known = list(dict.fromkeys(word for each in choices for word in (*each.facts, *each.signals)))
    if word in known:
        return []
    found = f"{left}: nothing called {word!r} is known of {part!r}{nearest(word, known)}"
    if kind is None:
        return [f"{found}; 'modalmill signals' lists what is known of files"]
    return [f"{found}; of parts of {kind} are known: {', '.join(known) or 'nothing'}"]


def _unlike(rule: RuleInWords, here: Contents) -> list[str]:
    """A line where a text is compared with a number, or with a word that it never is."""
    is_number = "." in rule.left or rule.left in here.signals
    kind: str | None = "number" if is_number else "text"
    part, word = part_and_word(rule.left)
    modal = here.parts.get(part)
    if modal and (words := words_of(modal).get(word)):
        kind = "text"
        for choice in rule.choices:
            if choice not in words:
                return [f"{rule.left}: is never {choice!r}{nearest(choice, words)}"]
    if rule.left not in COLUMNS:
        kind = here.targets.get(rule.left.removeprefix("targets."), kind)
    if rule.left not in rule.names or kind is None or kind == rule.compared_with:
        return []
    hint = "; read it by 'numbers'" if kind == "text" else ""
    return [f"{rule.left}: is a {kind}{hint}, and {rule.wanted!r} compares it with another kind"]


def _knows(kind: Modality, word: str) -> bool:
    """Whether parts of a modality can have a number of this name."""
    return word in kind.facts or word in kind.signals


def _is_measured(kind: Modality, word: str, is_known: bool) -> bool:
    """Whether a number has to be measured before it can be read. Where it is not known that the
    part is of this modality, its files are not decoded in vain.
    """
    if is_in_record(kind.name):
        return word in quantities_of(kind.name)
    return is_known or _knows(kind, word)


def _asked(kind: Modality, word: str) -> str:
    """What has to be measured for a signal of a modality, as ``Stage.measures`` says it."""
    request = kind.signals[word].on_request if word in kind.signals else ""
    return f"{kind.name}.{request}" if request else kind.name


def _flat(options: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Options with those of sections within them, by names with dots."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


class _Columns:
    """Columns of all records, as conditions name them."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._signals = number_columns(one_array(table["signals"]))

    def numbers(self, expression: str) -> np.ndarray:
        """The numbers that an expression has for the records, ``float64 [N]``, NaN where none."""
        column = Where(expression, "rule").column(self._named)
        return np.array(column.fill_null(math.nan).to_numpy(zero_copy_only=False), np.float64)

    def _named(self, name: str) -> pa.Array:
        if name in self._signals:
            return self._signals[name]
        part, word = part_and_word(name)
        values = np.full(self._table.num_rows, math.nan)
        if part and word in FACTS:
            lists = one_array(self._table["parts"])
            flat, owners = lists.flatten(), pa.compute.list_parent_indices(lists)
            here = pa.compute.equal(flat.field("name"), part)
            values[owners.filter(here).to_numpy()] = fact_column(flat.filter(here), word)
        else:
            for row, text in enumerate(self._table["targets"].to_pylist()):
                target = json.loads(text).get(name.removeprefix("targets."))
                if isinstance(target, (int, float)):
                    values[row] = target
        return pa.array(values, from_pandas=True)
