"""One rule as a recipe says it: what is looked at, and what is wanted of it, read into a condition.

image.dark: "< 0.9"            (image.dark) < 0.9
sound.level_db: [-30, -10]     -30 <= (sound.level_db) <= -10
image.bytes: "p1..p99"         p1 <= (image.bytes) <= p99, limits that the corpus sets
language: [en, de]             (language) in ['en', 'de']
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from ...schemas.errors import InputError
from ...schemas.quantity import fact
from ...schemas.record import Fault, Record
from ...schemas.where import Value, Where
from ..base import MAD_TO_DEVIATION
from ..signal import words_of

WANTED = (
    'wanted a comparison (">= 100"), a range ([-30, -10] or "p1..p99"), words to choose from'
    ' ([en, de]), "matches REGEX", "mad 5", or true'
)
COLUMNS = ("key", "group", "split", "source")
# the limits that the corpus sets for one rule, by name
Limits: TypeAlias = Mapping[str, float]
# what stands for them in a condition; no part is called so
_CORPUS = "__corpus__"
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)\Z")
_MAD = re.compile(r"mad\s+(\d+(?:\.\d+)?)\Z")
_SIGN = re.compile(r"(>=|<=|==|!=|>|<)\s*(.+)\Z", re.DOTALL)
_MATCHES = re.compile(r"matches\s+(.+)\Z", re.DOTALL)
_CHOICE = re.compile(r"(not\s+)?in\b", re.IGNORECASE)


class RuleInWords:
    """One rule, read: ``left`` is what is looked at, ``wanted`` how the recipe says what is wanted,
    ``limits`` name what the corpus has to set, ``compared_with`` is ``text`` or ``number``.
    ``ends``: the least and the largest that is allowed, where it bounds a number; empty for none.
    ``choices``: the words that are allowed, where it names them. ``pattern``: what a text has to
    match from end to end.
    """

    def __init__(
        self,
        left: str,
        wanted: str,
        condition: str,
        limits: tuple[str, ...] = (),
        text: bool = False,
        ends: tuple[str, str] = ("", ""),
        choices: tuple[str, ...] = (),
        pattern: re.Pattern[str] | None = None,
    ) -> None:
        self.left, self.wanted, self.limits, self.ends = left, wanted, limits, ends
        self.choices, self._pattern = choices, pattern
        self.compared_with = "text" if text else "number"
        self._value = Where(left, "rule")
        self._where = Where(condition, "rule")
        if not self._where.is_condition:
            raise InputError(f"{left}: is no condition; {WANTED}")
        # read to its end now, so that a mistake is one of the recipe
        for read in (self._where, self._value):
            read.of(lambda _: None, lambda _: False)
        self.names = {name for name in self._where.names if not name.startswith(_CORPUS)}

    def asked_for(self) -> set[str]:
        """The parts of which it wants to know whether they are there."""
        return self._where.parts

    def parts(self, there: Mapping[str, object]) -> list[str]:
        """Those of the parts that it reads."""
        read = {part_and_word(name)[0] for name in self.names} | self._where.parts
        return sorted(part for part in read if part in there)

    def named_parts(self, record: Record) -> list[str]:
        """The parts that it speaks of, whether the record has them or not."""
        return [
            part_and_word(name)[0]
            for name in self.names
            if "." in name and name.removeprefix("targets.") not in record.targets
        ]

    def keeps(self, record: Record, limits: Limits) -> bool | None:
        """Whether the record keeps it; None where a number or a part is not there."""
        value_of, has_part = _value_of(record, limits), record.parts.__contains__
        for name in self.names:
            value = value_of(name)
            if _is_nan(value):
                return False
            if name == self.left:
                self._refuse_unlike(value, record)
        if self._pattern is not None:
            text = value_of(self.left)
            return None if text is None else self._pattern.fullmatch(str(text)) is not None
        known = self._where.of(value_of, has_part)
        kept = None if known is None else bool(known)
        if kept and self.left not in self.names:
            # what is made of numbers can be none: 0 / 0
            return not _is_nan(self._value.of(value_of, has_part))
        return kept

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


def rule_of(left: str, wanted: object) -> RuleInWords:
    """A rule as a recipe says it, read; InputError where it cannot be.

    >>> rule_of("image.dark", "< 0.9").wanted
    '< 0.9'
    >>> rule_of("image.bytes", "p1..p99").limits
    ('p1', 'p99')
    """
    return _read(left, tuple(wanted) if isinstance(wanted, list) else wanted)


@functools.lru_cache(maxsize=1024)
def _read(left: str, wanted: object) -> RuleInWords:
    """``wanted``: a list as a tuple, so that what was read once is known."""
    here, read = f"({left})", Where(left, "rule")
    if not read.names and not read.parts:
        raise InputError(f"{left}: names nothing of a record; {WANTED}")
    if wanted is True or wanted is False:
        if read.is_condition:
            return RuleInWords(left, str(wanted).lower(), here if wanted else f"not {here}")
        if "." in left or not read.names:
            raise InputError(f"{left}: is no condition; {WANTED}. YAML reads yes, no, on, off so")
        # as sources read truth values
        return RuleInWords(left, f"== {wanted}", f"{here} == {str(wanted)!r}", text=True)
    if read.is_condition:
        raise InputError(f"{left}: is a condition; wanted true or false, found {wanted!r}")
    if isinstance(wanted, (int, float)):
        if not math.isfinite(wanted):
            raise InputError(f"{left}: {WANTED}, found {wanted!r}")
        return RuleInWords(left, f"== {wanted:g}", f"{here} == {wanted!r}")
    if isinstance(wanted, tuple):
        return _listed(left, wanted)
    if not isinstance(wanted, str):
        raise InputError(f"{left}: {WANTED}, found {wanted!r}")
    text = wanted.strip()
    low, dots, high = text.partition("..")
    if _MAD.match(text):
        bounds = f"{_CORPUS}.low <= {here} <= {_CORPUS}.high"
        return RuleInWords(left, text, bounds, ("low", "high"), ends=("low", "high"))
    if dots:
        return _between(left, text, low.strip(), high.strip())
    if matches := _MATCHES.match(text):
        return _matched(left, text, matches[1], read)
    if _CHOICE.match(text):
        return RuleInWords(left, text, f"{here} {text}", text="'" in text or '"' in text)
    sign = _SIGN.match(text)
    if sign is None:
        if text[:1] in "<>=!" or re.search(r"\bmad\b", text):
            raise InputError(f"{left}: {WANTED}, found {text!r}")
        return RuleInWords(left, f"== {text}", f"{here} == {text!r}", text=True, choices=(text,))
    operand, limits = _operand(end := sign[2].strip())
    ends = {"<": ("", end), ">": (end, "")}.get(sign[1][0], ("", ""))
    is_text = operand[:1] in "'\""
    return RuleInWords(left, text, f"{here} {sign[1]} {operand}", limits, is_text, ends)


def _matched(left: str, wanted: str, pattern: str, read: Where) -> RuleInWords:
    """A rule that a text matches a regular expression."""
    if read.names != {left}:
        raise InputError(f"{left}: 'matches' wants the name of one text before it")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{left}: {pattern!r} is no regular expression: {error}") from None
    here = f"({left})"
    return RuleInWords(left, wanted, f"{here} == {here}", text=True, pattern=compiled)


def _listed(left: str, wanted: tuple[object, ...]) -> RuleInWords:
    """A rule whose right side is a list: two numbers are a range, words are a choice."""
    shown = f"[{', '.join(map(str, wanted))}]"
    if wanted and all(isinstance(word, str) and not _QUANTILE.match(word) for word in wanted):
        choices = tuple(map(str, wanted))
        condition = f"({left}) in {list(choices)!r}"
        return RuleInWords(left, f"in {shown}", condition, text=True, choices=choices)
    if len(wanted) == 2:
        return _between(left, shown, *map(str, wanted))
    raise InputError(
        f"{left}: wanted two numbers for a range, or words to choose from, found {shown}; a choice"
        f' of numbers is written "in {shown}"'
    )


def _between(left: str, shown: str, low: str, high: str) -> RuleInWords:
    if any(not _QUANTILE.match(bound) and not _is_number(bound) for bound in (low, high)):
        raise InputError(f"{left}: {WANTED}, found {shown}; an open range is a comparison")
    (least, first), (largest, second) = _operand(low), _operand(high)
    limits = tuple(dict.fromkeys(first + second))
    try:
        is_empty = float(low) > float(high)
    except ValueError:
        is_empty = bool(first and second) and float(low[1:]) > float(high[1:])
    if is_empty:
        raise InputError(f"{left}: {shown} holds nothing, for {low} is more than {high}")
    condition = f"{least} <= ({left}) <= {largest}"
    return RuleInWords(left, shown, condition, limits, ends=(low, high))


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
        part, word = part_and_word(name)
        if part == _CORPUS:
            return limits.get(word.replace("_", "."))
        if name in record.signals:
            return _signal(record, part, word)
        if part in record.parts:
            return fact(record.parts[part], word)
        if name == "source":
            return record.origin.source
        if name in COLUMNS:
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


def _signal(record: Record, part: str, word: str) -> Value:
    """A signal, as the word that it stands for where it does."""
    number = record.signals[f"{part}.{word}" if part else word]
    words = words_of(record.parts[part].modality).get(word) if part in record.parts else None
    return words[int(number)] if words else number


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def part_and_word(name: str) -> tuple[str, str]:
    """Part and word of ``image.sharpness``; a name without a dot has no part."""
    part, _, word = name.rpartition(".")
    return part, word
