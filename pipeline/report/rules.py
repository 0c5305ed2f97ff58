"""Each rule: how the number that it reads is distributed, what it takes, and what lies just inside
and just outside of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...stages.base import Bounds
from ..looking import MeasuredRecords, RuleYield, rule_yields
from ..texts import shown_number
from .charts import histogram
from .examples import Gallery, evenly
from .markup import Markup, count_of, data_table, element, joined, section, shortened
from .output import Output
from .part_table import PartRow, PartTable

_EACH_SIDE = 4
_CANDIDATES = 24  # of which those are shown that are of different media
_MOST_RULES = 40


class _Judged(NamedTuple):
    """A rule and the parts of one name. name: the number that it bounds, or nothing."""

    rule: str
    part: str
    rows: np.ndarray
    kept: np.ndarray
    bounds: Bounds | None
    name: str
    values: np.ndarray

    def limits(self) -> list[float]:
        """The ends of what is allowed that are numbers, and not beyond all."""
        ends = (self.bounds.low, self.bounds.high) if self.bounds else ()
        return [end for end in ends if isinstance(end, float | int) and math.isfinite(end)]


def rules_section(output: Output, gallery: Gallery) -> Markup | None:
    """What the rules take; None where the run had none."""
    if output.parts is None or not output.parts.rules:
        return None
    records = MeasuredRecords(output.folder.root, only_rules=True)
    count, yields = records.count, rule_yields(records)
    del records
    busy = [own for own in yields if own.broken]
    idle = [own.rule for own in yields if not own.broken]
    shown = sorted(busy, key=lambda own: -own.broken)[:_MOST_RULES]
    return section(
        "rules",
        "Rules",
        _fault(output),
        _yield_table(shown, count),
        *(_rule(output, output.parts, own, gallery) for own in shown),
        element("p", f"Not shown: {count_of(len(busy) - len(shown), 'rule')} that take less.")
        if len(busy) > len(shown)
        else None,
        element("p", "Rules that nothing breaks: ", ", ".join(idle), ".", class_="quiet")
        if idle
        else None,
    )


def _fault(output: Output) -> Markup | None:
    """Why no limits are drawn, where the recipe cannot be read."""
    if not output.recipe_fault:
        return None
    return element(
        "p", "Limits are not drawn, for the recipe cannot be read: ", output.recipe_fault
    )


def _yield_table(yields: list[RuleYield], count: int) -> Markup | None:
    if not yields:
        return None
    rows: list[list[object]] = [
        [
            own.rule,
            f"{own.asked:,}",
            f"{own.broken:,}",
            f"{own.broken / own.asked:.1%}",
            f"{own.alone:,}",
            f"{own.kept:,}",
        ]
        for own in yields
    ]
    return data_table(
        f"What each rule takes of {count_of(count, 'record')}. Alone: no other rule takes them."
        " Rules count records that another had rejected before as well.",
        ["rule", "asked", "break it", "share", "break it alone", "of those kept"],
        rows,
        " nnnnn",
    )


def _rule(output: Output, parts: PartTable, own: RuleYield, gallery: Gallery) -> Markup:
    shown = [_of_part(judged, parts, gallery) for judged in _judged(output, parts, own.rule)]
    said = f"{count_of(own.broken, 'record')} of {own.asked:,} ({own.broken / own.asked:.1%})"
    said += f" break it, {own.alone:,} of them no other rule."
    if own.kept:
        said += f" {own.kept:,} were kept all the same."
    return joined(element("h3", own.rule), element("p", said), *shown)


def _judged(output: Output, parts: PartTable, rule: str) -> Iterator[_Judged]:
    """The rule by the parts that it was asked of and that break it."""
    bounds = output.bounds.get(rule)
    for part in parts.kinds:
        rows, kept = parts.judged(rule, part)
        if not len(rows) or kept.all():
            continue
        name = bounds.number.rpartition(".")[2] if bounds else ""
        if bounds is None or name not in parts.schema.names:
            yield _Judged(rule, part, rows, kept, None, "", np.zeros(len(rows)))
        else:
            yield _Judged(rule, part, rows, kept, bounds, name, parts.values_at(name, rows))


def _of_part(judged: _Judged, parts: PartTable, gallery: Gallery) -> Markup:
    inside, outside = _nearest(judged)
    chart = _chart(judged, parts) if judged.name else None
    near = ", nearest to the limit" if judged.limits() else ""
    blocks = []
    for what, rows, is_out in (("Refused", outside, True), ("Kept", inside, False)):
        chosen = _distinct(parts.examples(rows))
        if chosen:
            title = element("p", f"{what}: {judged.part}{near}", class_="quiet")
            blocks += [title, _figures(judged, parts, chosen, is_out, gallery)]
    beside = element("div", *blocks)
    return element("div", chart, beside, class_="rule") if chart is not None else beside


def _figures(
    judged: _Judged, parts: PartTable, rows: list[PartRow], is_out: bool, gallery: Gallery
) -> Markup:
    unit = _unit(judged, parts)

    def said(row: PartRow) -> str:
        if not judged.name:
            return row["damage"] or row["key"]
        value = judged.values[np.searchsorted(judged.rows, row["at"])]
        shown = "not known" if math.isnan(value) else shown_number(float(value))
        return f"{judged.name} {shown} {unit}".strip()

    marked = functools.partial(_marked, judged)
    return gallery.figures(rows, said, lambda row: is_out, marked)


def _distinct(rows: list[PartRow]) -> list[PartRow]:
    """The first of them that are of different media: several records can share one."""
    chosen: dict[object, PartRow] = {}
    for row in rows:
        own = row["key"] if row["uri"] is None else (row["uri"], row["start_s"], row["end_s"])
        chosen.setdefault(own, row)
    return list(chosen.values())[:_EACH_SIDE]


def _unit(judged: _Judged, parts: PartTable) -> str:
    quantity = parts.quantity(judged.part, judged.name) if judged.name else None
    return quantity.unit if quantity else ""


def _chart(judged: _Judged, parts: PartTable) -> Markup | None:
    known = np.isfinite(judged.values)
    kept, refused = judged.values[known & judged.kept], judged.values[known & ~judged.kept]
    if not known.any():
        return None
    quantity = parts.quantity(judged.part, judged.name)
    unit = f", {quantity.unit}" if quantity and quantity.unit else ""
    about = f"{quantity.about}. " if quantity else ""
    title = f"{judged.part}.{judged.name}{unit}"
    ends = " and ".join(shown_number(end) for end in judged.limits())
    label = f"Histogram of {title}: {len(kept):,} kept, {len(refused):,} refused; limit {ends}"
    return element(
        "figure",
        element(
            "figcaption",
            element("b", title),
            f" {about}{len(kept):,} kept, {len(refused):,} refused",
        ),
        histogram(label, kept, refused, judged.limits()),
    )


def _nearest(judged: _Judged) -> tuple[np.ndarray, np.ndarray]:
    """Some rows just inside, and some just outside; of a rule whose limit is not known some of
    those that break it.
    """
    limits = judged.limits()
    if not limits:
        return judged.rows[:0], evenly(judged.rows[~judged.kept], _CANDIDATES)
    away = np.min([np.abs(judged.values - limit) for limit in limits], axis=0)
    order = np.argsort(np.where(np.isnan(away), math.inf, away), kind="stable")
    kept = judged.kept[order]
    inside, outside = judged.rows[order[kept]], judged.rows[order[~kept]]
    return inside[:_CANDIDATES], outside[:_CANDIDATES]


def _marked(judged: _Judged, row: PartRow, text: str) -> Markup:
    """A text, with what lies beyond the largest number of words marked."""
    high = judged.bounds.high if judged.bounds else math.inf
    if judged.name != "words" or isinstance(high, str) or not math.isfinite(high):
        return joined(shortened(text))
    words = text.split()
    allowed, beyond = words[: int(high)], words[int(high) :]
    if not beyond:
        return joined(shortened(text))
    shown = " ".join(allowed)
    shown = shown if len(shown) <= 200 else f"… {shown[-200:]}"
    return joined(shown, " ", element("mark", shortened(" ".join(beyond), 120)))
