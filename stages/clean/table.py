"""Tables: few enough cells absent, numbers within their ranges, words that are allowed, values that
stand there once, cells that agree with each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Literal

import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.json_value import JsonValue
from ...schemas.record import Fault, Part, Record
from ..base import Bounds, Judgement, RecordStage, rows_of
from ..modalities.table import as_number, is_empty_cell
from ._cells import (
    Verdict,
    allowed_cells,
    compared_cells,
    condition_of,
    one_value,
    pattern_of,
    patterned_cells,
    required_cells,
)
from ._judging import Judges


@dataclass(frozen=True, kw_only=True)
class Table(Judges):
    """Rejects records whose table breaks a rule, or takes only the table away.

    parts: the tables it looks at; all of them where it is not given.
    max_missing: share of cells that are absent.
    ranges: column -> its least and its largest value, both allowed; a word is out of any range.
    max_out_of_range: share of the cells with a range that may lie outside of theirs.
    required: columns whose cells have to be there.
    allowed: column -> the words and numbers that may stand there; a number counts by its value.
    patterns: column -> a regular expression that a cell has to match from end to end.
    unique: columns of which each value may stand in one record alone; the first by key keeps it.
    rules: conditions over cells, as ``"start <= end"``; one of which a cell is absent says nothing.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.

    Both shares become signals of the record (``cells.missing``, ``cells.out_of_range``), so that a
    stream can choose by them. An absent cell is allowed, matches and is unique.
    """

    fitted_on: ClassVar[tuple[str, ...]] = ("key", "parts")

    parts: list[str] | None = None
    max_missing: float = 1.0
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    max_out_of_range: float = 0.0
    required: list[str] = field(default_factory=list)
    allowed: dict[str, list[str | float]] = field(default_factory=dict)
    patterns: dict[str, str] = field(default_factory=dict)
    unique: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    on_fault: Literal["reject", "drop_part"] = "reject"

    def __post_init__(self) -> None:
        for pattern in self.patterns.values():
            pattern_of(pattern)
        for condition in self.rules:
            condition_of(condition)

    def bounds(self) -> dict[str, Bounds]:
        return {
            "max_missing": Bounds("missing", high=self.max_missing),
            "max_out_of_range": Bounds("out_of_range", high=self.max_out_of_range),
        }

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_parts("parts", self.parts or [], "table")

    def apply(self, record: Record) -> Record:
        shares = {
            f"{name}.{word}": share
            for name, part in self._tables(record).items()
            for word, share in self._shares(part).items()
        }
        return replace(record, signals={**record.signals, **shares}) if shares else record

    def judge(self, record: Record) -> Judgement:
        verdicts: dict[tuple[str, str], bool] = {}
        faults: dict[str, Fault] = {}
        for name, part in self._tables(record).items():
            shares = self._shares(part)
            for word, allowed in (
                ("missing", self.max_missing),
                ("out_of_range", self.max_out_of_range),
            ):
                keeps = verdicts[name, f"max_{word}"] = shares[word] <= allowed
                if not keeps and name not in faults:
                    message = (
                        f"{name}: {shares[word]:.6g} of the cells, above max_{word} {allowed:g}"
                    )
                    faults[name] = Fault(f"table_{word}", shares[word], allowed, message)
            for option, rule, keeps, value, wanted in self._of_cells(record.key, name, part):
                verdicts[name, option] = keeps
                if not keeps and name not in faults:
                    message = f"{name}: {option} wants {wanted}, found {value}"
                    faults[name] = Fault(rule, value, wanted, message)
        return self.judgement(verdicts, faults)._replace(remark=self.remark(record))

    def needs_fit(self) -> bool:
        return bool(self.unique)

    def fitted(self, table: pa.Table) -> RecordStage:
        options = {item.name: getattr(self, item.name) for item in fields(self)}
        return _FittedTable(**options, firsts=self._firsts(table))

    def _firsts(self, table: pa.Table) -> dict[tuple[str, str, str], str]:
        """Of each value that stands in several records, by part and column, the key of the
        first.
        """
        firsts: dict[tuple[str, str, str], str] = {}
        again: set[tuple[str, str, str]] = set()
        for key, parts in rows_of(table, "key", "parts"):
            for part in parts or ():
                if part["modality"] != "table" or not self._looks_at(part["name"]):
                    continue
                cells = json.loads(part["text"] or "{}")
                for column in self.unique:
                    if is_empty_cell(cells.get(column)):
                        continue
                    place = (part["name"], column, one_value(cells[column]))
                    if place in firsts:
                        again.add(place)
                    firsts[place] = min(key, firsts.get(place, key))
        return {place: firsts[place] for place in again}

    def _first(self, part: str, column: str, cell: JsonValue) -> str | None:
        """The key of the first record with a value that several have; None before all are seen."""
        return None

    def _of_cells(self, key: str, name: str, part: Part) -> Iterator[Verdict]:
        cells = json.loads(part.text or "{}")
        yield from required_cells(cells, self.required)
        yield from allowed_cells(cells, self.allowed)
        yield from patterned_cells(cells, self.patterns)
        yield from compared_cells(cells, self.rules)
        for column in self.unique:
            if not is_empty_cell(cells.get(column)):
                first = self._first(name, column, cells[column])
                wanted = f"a value that {first} does not have"
                keeps = first in (None, key)
                yield Verdict(f"unique.{column}", "table_not_unique", keeps, cells[column], wanted)

    def remark(self, record: Record) -> str:
        columns = {
            name for part in self._tables(record).values() for name in json.loads(part.text or "{}")
        }
        named = {
            "ranges": self.ranges.keys(),
            "allowed": self.allowed.keys(),
            "patterns": self.patterns.keys(),
            "unique": self.unique,
            "rules": {name for text in self.rules for name in condition_of(text).names},
        }
        return "; ".join(
            f"records whose tables have no column {', '.join(lost)}, which {option} names"
            for option, names in named.items()
            if columns and (lost := sorted(set(names) - columns))
        )

    def _tables(self, record: Record) -> dict[str, Part]:
        return {
            name: part for name, part in record.parts_of("table").items() if self._looks_at(name)
        }

    def _looks_at(self, name: str) -> bool:
        return self.parts is None or name in self.parts

    def _shares(self, part: Part) -> dict[str, float]:
        cells = json.loads(part.text or "{}")
        ranged = [
            (cells[name], span)
            for name, span in self.ranges.items()
            if not is_empty_cell(cells.get(name))
        ]
        outside = sum(not _is_within(cell, *span) for cell, span in ranged)
        missing = sum(is_empty_cell(cell) for cell in cells.values())
        return {
            "missing": missing / max(1, len(cells)),
            "out_of_range": outside / max(1, len(ranged)),
        }


@dataclass(frozen=True, kw_only=True)
class _FittedTable(Table):
    """Rules on tables that know which values stand in several records."""

    firsts: Mapping[tuple[str, str, str], str] = field(default_factory=dict)

    def _first(self, part: str, column: str, cell: JsonValue) -> str | None:
        return self.firsts.get((part, column, one_value(cell)))


def _is_within(cell: object, low: float, high: float) -> bool:
    number = as_number(cell)
    return number is not None and (math.isnan(number) or low <= number <= high)
