"""Limits for rules, proposed from how the numbers of a run are distributed: what lies far outside
of the rest, if it is little.

Far is more than so many robust standard deviations from the median, taken of each side by itself
(the median absolute deviation of what lies there, Hampel 1974; Rosenmai 2013), for most signals
are skewed. A number of which that would take many records is not of one kind, and a limit for it
is no matter of outliers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..schemas.errors import InputError
from ..schemas.layout import RunFolder
from ..schemas.plain_text import Verbatim, render_text
from ..schemas.quantity import Quantity
from .looking import MeasuredRecords
from .report.part_table import PartTable
from .texts import shown_number

DEVIATIONS = 5.0
MOST = 0.05
_FEWEST = 20  # of fewer numbers nobody knows what is far
_NORMAL = 1.4826  # from the median absolute deviation to the standard one of a normal distribution
_DIGITS = 3


class Suggestion(NamedTuple):
    """A rule, and what it would take: how many of the records that it is asked of, and how many of
    these are still there. low, high: None where there is no limit. median, least, most: of what was
    measured.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    asked: int
    broken: int
    kept: int
    median: float
    least: float
    most: float

    @property
    def wanted(self) -> str:
        """The right side of the rule, in YAML."""
        low, high = (None if end is None else _written(end) for end in (self.low, self.high))
        if low is None:
            return f'"<= {high}"'
        return f'">= {low}"' if high is None else f"[{low}, {high}]"

    @property
    def broken_if(self) -> str:
        """The condition under which a record breaks it, for ``modalmill look``."""
        limits = (("<", self.low), (">", self.high))
        ends = [f"{self.name} {sign} {_written(end)}" for sign, end in limits if end is not None]
        return " or ".join(ends)


def suggestions(
    out: Path, deviations: float = DEVIATIONS, most: float = MOST
) -> tuple[list[Suggestion], dict[str, str]]:
    """The limits for each number of which they take anything, those that take most first; and why
    there are none for others, by name. Nothing is decoded.

    deviations: how many robust standard deviations are far. most: the largest share of the records
        asked that a limit may take.
    """
    records = MeasuredRecords(out)
    parts = PartTable(_table_of(out))
    found: list[Suggestion] = []
    without: dict[str, str] = {}
    for name in sorted(records.names):
        part, _, word = name.rpartition(".")
        if part not in parts.kinds:
            continue
        quantity = parts.quantity(part, word)
        if quantity is None or quantity.is_code:
            continue
        values = records.column(name).fill_null(np.nan).to_numpy(zero_copy_only=False)
        known = values[np.isfinite(values)]
        why = _why_none(known)
        if not why:
            low, high = limits_of(known, quantity, deviations)
            own = _yields(records, name, low, high)
            if low is None and high is None:
                why = "nothing is far"
            elif own[1] > most * own[0]:
                why = f"would take {own[1] / own[0]:.1%}"
            else:
                median, ends = float(np.median(known)), (float(known.min()), float(known.max()))
                found.append(Suggestion(name, quantity.unit, low, high, *own, median, *ends))
        if why:
            without[name] = why
    return sorted(found, key=lambda own: (-own.broken, own.name)), without


def _table_of(out: Path) -> Path:
    folder = RunFolder(out)
    return folder.signals if folder.signals.is_file() else folder.measured


def _why_none(known: np.ndarray) -> str:
    if len(known) < _FEWEST:
        return f"known of {len(known):,}"
    if known.min() == known.max():
        return f"always {shown_number(float(known[0]))}"
    return ""


def limits_of(
    known: np.ndarray, quantity: Quantity, deviations: float
) -> tuple[float | None, float | None]:
    """The lowest and highest value that are not far; None where nothing is beyond. Where most
    values of a side are the median itself, nothing says what is far there.

    >>> limits_of(np.append(np.arange(100.0), [300.0]), Quantity(""), 5)
    (None, 238.0)
    """
    median = float(np.median(known))
    below, above = known[known <= median], known[known >= median]
    low = median - deviations * _NORMAL * float(np.median(median - below))
    high = median + deviations * _NORMAL * float(np.median(above - median))
    low, high = _rounded(low, math.floor), _rounded(high, math.ceil)
    has_low = low < median and low > quantity.low and bool((known < low).any())
    has_high = high > median and high < quantity.high and bool((known > high).any())
    return low if has_low else None, high if has_high else None


def _rounded(value: float, away: Callable[[float], int]) -> float:
    """The value with three digits, no nearer to the median than it was."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    # written and read again: what stands in the recipe is what was counted
    return float(f"{away(value / unit) * unit:.{_DIGITS}g}")


def _written(value: float) -> str:
    """A number as YAML and the grammar of conditions read it: without an exponent."""
    return str(np.format_float_positional(value, trim="-"))


def _yields(
    records: MeasuredRecords, name: str, low: float | None, high: float | None
) -> tuple[int, int, int]:
    """Of how many records a rule would be asked, how many break it, and how many of these were
    written all the same.
    """
    limits = ((">=", low), ("<=", high))
    ends = [f"{name} {sign} {_written(limit)}" for sign, limit in limits if limit is not None]
    if not ends:
        return 0, 0, 0
    condition = " and ".join(ends)
    kept, broken = (records.kept(records.of(text)) for text in (condition, f"not ({condition})"))
    return int((kept | broken).sum()), int(broken.sum()), int((broken & records.is_written()).sum())


def suggestions_text(out: Path, deviations: float, most: float) -> str:
    """The suggestions as the stage of a recipe, with what each would take."""
    if not 0 < most <= 1 or deviations <= 0:
        raise InputError(
            f"wanted --most in (0, 1] and --deviations above 0, found {most:g} and {deviations:g}"
        )
    found, without = suggestions(out, deviations, most)
    lines: list[object] = [Verbatim(line) for line in _yaml(found, deviations, most)]
    if without:
        few: dict[str, list[str]] = {}
        for name, why in without.items():
            few.setdefault(why, []).append(name)
        lines += [Verbatim("# No limit for:")]
        lines += [Verbatim(f"#   {', '.join(names)}: {why}") for why, names in sorted(few.items())]
    return render_text(*lines)


def _yaml(found: list[Suggestion], deviations: float, most: float) -> Iterator[str]:
    yield (
        f"# Beyond {deviations:g} robust standard deviations from the median, and at most"
        f" {most:.0%} of the records."
    )
    if not found:
        yield "# Nothing is."
        return
    yield "# What is far is not yet wrong: look at it before you decide."
    yield "stages:"
    yield "  - clean.rules:"
    for own in found:
        unit = f" {own.unit}" if own.unit else ""
        yield (
            f"      # {shown_number(own.least)} to {shown_number(own.most)}{unit}, median"
            f" {shown_number(own.median)}; takes {own.broken:,} of {own.asked:,}"
            f" ({own.broken / own.asked:.2%}), {own.kept:,} of them kept until now"
        )
        yield f'      # modalmill look OUT --where "{own.broken_if}"'
        yield f"      {own.name}: {own.wanted}"
