"""Rules in words: conditions on any signals, facts and targets of a record, with limits that the
corpus itself may set.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from ...schemas.columns import one_array
from ...schemas.contents import Contents
from ...schemas.errors import InputError, nearest
from ...schemas.manifest import number_columns
from ...schemas.quantity import FACTS, fact, fact_column
from ...schemas.record import Fault, Record
from ...schemas.where import Value, Where
from ..base import MAD_TO_DEVIATION, RecordStage
from ..modality import Modality, every_on_disk, is_in_record, modality

# what stands for the limits that the corpus sets; no part is called so
_CORPUS = "__corpus__"
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)\Z")
_MAD = re.compile(r"mad\s+(\d+(?:\.\d+)?)\Z")
_SIGN = re.compile(r"(>=|<=|==|!=|>|<)\s*(.+)\Z", re.DOTALL)
_CHOICE = re.compile(r"(not\s+)?in\b", re.IGNORECASE)
_KNOWN_FIRST = frozenset({"bytes", "chars", "words"})  # without a look into the file
_COLUMNS = ("key", "group", "split", "source")
_WANTED = (
    'wanted a comparison (">= 100"), a range ([-30, -10] or "p1..p99"), words to choose from'
    ' ([en, de]), "mad 5", or true'
)
# the limits that the corpus sets for one rule, by name
Limits: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Rules(RecordStage):
    """Rejects records that break a rule, or takes the part away that breaks it.

    rules: what is looked at -> what is wanted of it. Looked at are signals and facts of parts
        (``image.sharpness``, ``voice.duration_s``; ``modalmill signals`` lists them), targets,
        ``key``, ``group``, ``split``, ``source``, and what ``+ - * /`` makes of them. Wanted is
        a comparison (``">= 100"``, ``"== yes"``), a range with its ends (``[-30, -10]``), words to
        choose from (``[en, de]``), quantiles of all records that come here (``"p1..p99"``,
        ``">= p5"``), ``"mad 5"`` for at most five robust standard deviations from the median
        (Hampel 1974), or ``true`` where the left side is a condition, as in the ``where`` of a
        stream. They may stand among the options: ``clean.rules: {image.dark: "< 0.9"}``.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.

    A rule on a part that the record does not have says nothing, and neither does one on a number
    that is not known of it, which the account then tells.
    """

    rules: dict[str, Any] = field(default_factory=dict)
    on_fault: Literal["reject", "drop_part"] = "reject"

    @classmethod
    def spelled(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        options = dict(options)
        named: dict[str, Any] = {
            name: options.pop(name) for name in ("rules", "on_fault") if name in options
        }
        rules = named.get("rules", {})
        if isinstance(rules, Mapping):
            named["rules"] = {}
            for left, wanted in itertools.chain(_flat(rules), _flat(options)):
                if left.strip() in named["rules"]:
                    raise ValueError(
                        f"{left.strip()!r} stands here twice, under rules or as a section, and only"
                        " one of them can count"
                    )
                named["rules"][left.strip()] = wanted
        return named

    def __post_init__(self) -> None:
        for left, wanted in self.rules.items():
            try:
                rule_of(left, _frozen(wanted))
            except InputError as error:
                raise ValueError(str(error)) from None

    def measures(self, here: Contents) -> tuple[str, ...]:  # type: ignore[override]
        kinds: set[str] = set()
        for rule in self._all():
            for part, word in map(_split, rule.names):
                kind = here.parts.get(part)
                if part not in here.parts or word in _KNOWN_FIRST:
                    continue
                if kind is None:  # the files alone tell what it is
                    kinds.update(each.name for each in every_on_disk() if _knows(each, word))
                elif not is_in_record(kind):
                    kinds.add(kind)
        return tuple(sorted(kinds))

    def mistakes(self, here: Contents) -> list[str]:
        if not self.rules:
            return [f"rules: {_WANTED.replace('wanted', 'wanted what is looked at, and of it')}"]
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

    def verdicts(self, record: Record) -> Mapping[tuple[str, str], bool]:
        verdicts = {}
        for rule in self._all():
            kept = rule.keeps(record, self._limits(rule))
            if kept is not None:
                # a rule on targets alone is one on all parts
                for part in rule.parts(record.parts) or record.parts:
                    verdicts[part, rule.left] = kept
        return verdicts

    def fault(self, record: Record) -> Fault | None:
        if self.on_fault != "reject":
            return None
        return next((fault for _, fault in self._faults(record)), None)

    def drops(self, record: Record) -> Mapping[str, Fault]:
        drops: dict[str, Fault] = {}
        if self.on_fault == "drop_part":
            for rule, fault in self._faults(record):
                for part in rule.parts(record.parts):
                    drops.setdefault(part, fault)
        return drops

    def remark(self, record: Record) -> str:
        unknown = [
            rule.left
            for rule in self._all()
            if all(part in record.parts for part in rule.named_parts(record))
            and rule.keeps(record, self._limits(rule)) is None
        ]
        if not unknown or self.fault(record) is not None:
            return ""
        return f"kept, for it is not known of them: {', '.join(unknown)}"

    def _limits(self, rule: _Rule) -> Limits:
        """What the corpus sets for a rule; nothing before it was seen."""
        return {}

    def _faults(self, record: Record) -> Iterator[tuple[_Rule, Fault]]:
        """The rules that a record breaks."""
        for rule in self._all():
            limits = self._limits(rule)
            if rule.keeps(record, limits) is False:
                yield rule, rule.fault(record, limits)

    def _all(self) -> list[_Rule]:
        return [rule_of(left, _frozen(wanted)) for left, wanted in self.rules.items()]


@dataclass(frozen=True, kw_only=True)
class _FittedRules(Rules):
    """Rules with the limits that the corpus set, by what is looked at."""

    limits: Mapping[str, Limits] = field(default_factory=dict)

    def _limits(self, rule: _Rule) -> Limits:
        return self.limits.get(rule.left, {})


class _Rule:
    """One rule, read: ``left`` is what is looked at, ``wanted`` how the recipe says what is wanted,
    ``limits`` name what the corpus has to set, ``compared_with`` is ``text`` or ``number``.
    """

    def __init__(
        self,
        left: str,
        wanted: str,
        condition: str,
        limits: tuple[str, ...] = (),
        text: bool = False,
    ) -> None:
        self.left, self.wanted, self.limits = left, wanted, limits
        self.compared_with = "text" if text else "number"
        self._value = Where(left, "rule")
        self._where = Where(condition, "rule")
        if not self._where.is_condition:
            raise InputError(f"{left}: is no condition; {_WANTED}")
        # read to its end now, so that a mistake is one of the recipe
        for read in (self._where, self._value):
            read.of(lambda _: None, lambda _: False)
        self.names = {name for name in self._where.names if not name.startswith(_CORPUS)}

    def asked_for(self) -> set[str]:
        """The parts of which it wants to know whether they are there."""
        return self._where.parts

    def parts(self, there: Mapping[str, Any]) -> list[str]:
        """Those of the parts that it reads."""
        read = {_split(name)[0] for name in self.names} | self._where.parts
        return sorted(part for part in read if part in there)

    def named_parts(self, record: Record) -> list[str]:
        """The parts that it speaks of, whether the record has them or not."""
        return [
            _split(name)[0]
            for name in self.names
            if "." in name and name.removeprefix("targets.") not in record.targets
        ]

    def keeps(self, record: Record, limits: Limits) -> bool | None:
        """Whether the record keeps it; None where a number or a part is not there."""
        value_of = _value_of(record, limits)
        values = [value_of(name) for name in self.names]
        if self.left in self.names:
            self._refuse_unlike(value_of(self.left), record)
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            return False
        kept: bool | None = self._where.of(value_of, record.parts.__contains__)
        # what is made of numbers can be none: 0 / 0
        made = self._value.of(value_of, record.parts.__contains__) if kept else None
        return False if isinstance(made, float) and math.isnan(made) else kept

    def _refuse_unlike(self, value: Value, record: Record) -> None:
        """InputError where a text is compared with a number, which says nothing of any record."""
        kind = "text" if isinstance(value, str) else "number"
        if value is not None and kind != self.compared_with:
            hint = "; read it by 'numbers' in its source" if kind == "text" else ""
            raise InputError(
                f"clean.rules: {self.left} is a {kind} ({value!r} in {record.origin}), and"
                f" {self.wanted!r} compares it with a {self.compared_with}{hint}"
            )

    def fault(self, record: Record, limits: Limits) -> Fault:
        """What the account is told of a record that breaks it."""
        value = self._value.of(_value_of(record, limits), record.parts.__contains__)
        wanted = self.wanted + "".join(f", {name} = {limits[name]:.6g}" for name in limits)
        of = ", ".join(
            f"{name} ({record.parts[name].uri or record.parts[name].modality})"
            for name in self.parts(record.parts)
        )
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return Fault(
            f"{self.left} {self.wanted}",
            value,
            wanted,
            f"{of}: {self.left} is {shown}; wanted {wanted}".removeprefix(": "),
        )

    def limits_of(self, values: np.ndarray) -> Limits:
        """What the corpus sets, from the values of all records; NaN where there is none."""
        values = values[np.isfinite(values)]
        if not len(values):
            return dict.fromkeys(self.limits, math.nan)
        limits = {
            name: float(np.quantile(values, float(name[1:]) / 100))
            for name in self.limits
            if _QUANTILE.match(name)
        }
        mad = _MAD.match(self.wanted)
        if mad:
            median = float(np.median(values))
            deviation = MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))
            reach = float(mad[1]) * (deviation or float(values.std()))
            limits |= {"low": median - reach, "high": median + reach}
        return limits


@functools.lru_cache(maxsize=1024)
def rule_of(left: str, wanted: Any) -> _Rule:
    """A rule as a recipe says it, read; InputError where it cannot be. ``wanted``: lists as tuples.

    >>> rule_of("image.dark", "< 0.9").wanted
    '< 0.9'
    >>> rule_of("image.bytes", "p1..p99").limits
    ('p1', 'p99')
    """
    here, read = f"({left})", Where(left, "rule")
    if not read.names and not read.parts:
        raise InputError(f"{left}: names nothing of a record; {_WANTED}")
    if wanted is True or wanted is False:
        if read.is_condition:
            return _Rule(left, str(wanted).lower(), here if wanted else f"not {here}")
        if "." in left or not read.names:
            raise InputError(f"{left}: is no condition; {_WANTED}. YAML reads yes, no, on, off so")
        # as sources read truth values
        return _Rule(left, f"== {wanted}", f"{here} == {str(wanted)!r}", text=True)
    if read.is_condition:
        raise InputError(f"{left}: is a condition; wanted true or false, found {wanted!r}")
    if isinstance(wanted, (int, float)):
        if not math.isfinite(wanted):
            raise InputError(f"{left}: {_WANTED}, found {wanted!r}")
        return _Rule(left, f"== {wanted:g}", f"{here} == {wanted!r}")
    if isinstance(wanted, tuple):
        return _listed(left, wanted)
    if not isinstance(wanted, str):
        raise InputError(f"{left}: {_WANTED}, found {wanted!r}")
    text = wanted.strip()
    low, dots, high = text.partition("..")
    if _MAD.match(text):
        bounds = f"{_CORPUS}.low <= {here} <= {_CORPUS}.high"
        return _Rule(left, text, bounds, ("low", "high"))
    if dots:
        return _between(left, text, low.strip(), high.strip())
    if _CHOICE.match(text):
        return _Rule(left, text, f"{here} {text}", text="'" in text or '"' in text)
    sign = _SIGN.match(text)
    if sign is None:
        if text[:1] in "<>=!" or re.search(r"\bmad\b", text):
            raise InputError(f"{left}: {_WANTED}, found {text!r}")
        return _Rule(left, f"== {text}", f"{here} == {text!r}", text=True)
    operand, limits = _operand(sign[2].strip())
    return _Rule(left, text, f"{here} {sign[1]} {operand}", limits, operand[:1] in "'\"")


def _listed(left: str, wanted: tuple[Any, ...]) -> _Rule:
    """A rule whose right side is a list: two numbers are a range, words are a choice."""
    shown = f"[{', '.join(map(str, wanted))}]"
    if wanted and all(isinstance(word, str) and not _QUANTILE.match(word) for word in wanted):
        return _Rule(left, f"in {shown}", f"({left}) in {list(wanted)!r}", text=True)
    if len(wanted) == 2:
        return _between(left, shown, *map(str, wanted))
    raise InputError(
        f"{left}: wanted two numbers for a range, or words to choose from, found {shown}; a choice"
        f' of numbers is written "in {shown}"'
    )


def _between(left: str, shown: str, low: str, high: str) -> _Rule:
    if any(not _QUANTILE.match(bound) and not _is_number(bound) for bound in (low, high)):
        raise InputError(f"{left}: {_WANTED}, found {shown}; an open range is a comparison")
    (least, first), (largest, second) = _operand(low), _operand(high)
    limits = tuple(dict.fromkeys(first + second))
    try:
        is_empty = float(low) > float(high)
    except ValueError:
        is_empty = bool(first and second) and float(low[1:]) > float(high[1:])
    if is_empty:
        raise InputError(f"{left}: {shown} holds nothing, for {low} is more than {high}")
    return _Rule(left, shown, f"{least} <= ({left}) <= {largest}", limits)


def _operand(text: str) -> tuple[str, tuple[str, ...]]:
    """The right side of a comparison as a condition says it, and the limits that it needs: a
    number, a quantile, an expression of names with dots, or else a word.
    """
    if _QUANTILE.match(text):
        # a name has no dot in it
        return f"{_CORPUS}.{text.replace('.', '_')}", (text,)
    if _is_number(text) or text[:1] in "'\"(" or "." in text:
        return text, ()
    return repr(text), ()


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _value_of(record: Record, limits: Limits) -> Callable[[str], Value]:
    def value_of(name: str) -> Value:
        part, word = _split(name)
        if part == _CORPUS:
            return limits.get(word.replace("_", "."))
        if name in record.signals:
            return record.signals[name]
        if part in record.parts:
            return fact(record.parts[part], word)
        if name == "source":
            return record.origin.source
        if name in _COLUMNS:
            column: str | None = getattr(record, name)
            return column
        target = record.targets.get(name, record.targets.get(name.removeprefix("targets.")))
        if isinstance(target, list):
            raise InputError(
                f"clean.rules: {name} is a list ({record.origin}), and rules compare texts and"
                " numbers"
            )
        if isinstance(target, (bool, int, float)):
            return float(target)
        return target if isinstance(target, str) else None

    return value_of


def _unknown(left: str, name: str, here: Contents) -> list[str]:
    """A line where no record can have what a rule reads."""
    part, word = _split(name)
    if name in _COLUMNS or name.removeprefix("targets.") in here.targets:
        return []
    if not part:
        return here.lacking_targets(left, [name])
    lines = here.lacking_parts(left, [part])
    kind = here.parts.get(part)
    if lines or kind is None:
        return lines
    known = [*modality(kind).facts, *modality(kind).signals]
    if word in known:
        return []
    return [
        f"{left}: nothing called {word!r} is known of {part!r}{nearest(word, known)}; of parts of"
        f" {kind} are known: {', '.join(known) or 'nothing'}"
    ]


def _unlike(rule: _Rule, here: Contents) -> list[str]:
    """A line where a text is compared with a number."""
    kind: str | None = "number" if "." in rule.left else "text"
    if rule.left not in _COLUMNS:
        kind = here.targets.get(rule.left.removeprefix("targets."), kind)
    if rule.left not in rule.names or kind is None or kind == rule.compared_with:
        return []
    hint = "; read it by 'numbers'" if kind == "text" else ""
    return [f"{rule.left}: is a {kind}{hint}, and {rule.wanted!r} compares it with another kind"]


def _knows(kind: Modality, word: str) -> bool:
    """Whether parts of a modality can have a number of this name."""
    return word in kind.facts or word in kind.signals


def _split(name: str) -> tuple[str, str]:
    """Part and word of ``image.sharpness``; a name without a dot has no part."""
    part, _, word = name.rpartition(".")
    return part, word


def _flat(options: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Options with those of sections within them, by names with dots."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _frozen(wanted: Any) -> Any:
    return tuple(wanted) if isinstance(wanted, list) else wanted


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
        part, word = _split(name)
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
