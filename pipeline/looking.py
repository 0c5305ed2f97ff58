"""Looking at ``OUT/signals.parquet`` without pandas: records by a condition, and what each rule, or
one that somebody thinks of, takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schemas.disk import read_parquet
from ..schemas.errors import InputError, nearest
from ..schemas.layout import RunFolder
from ..schemas.plain_text import plain_table, render_text
from ..schemas.where import Where
from .signals import OF_RECORD
from .texts import shown_number

_OF_RECORD = ("key", "source", "file", "row", "fate", "stage", "rule")
_OF_PART = ("part", "modality", "uri", "start_s", "end_s", "damage")
_EXAMPLE = "image.sharpness < 50 and fate == 'written'"


class RuleYield(NamedTuple):
    """Of how many records a rule was asked; of these that break it, break it alone, or were kept
    although they break it.
    """

    rule: str
    asked: int
    broken: int
    alone: int
    kept: int


class MeasuredRecords:
    """The records of a run, whatever became of them, with the numbers of their parts as columns.

    rows: a row of the table for each record. names: ``part.number`` of all that is known, and the
    numbers of records that ``align.signals`` gave. only_rules: nothing is read but verdicts.
    """

    def __init__(self, out: Path, only_rules: bool = False) -> None:
        path = RunFolder(out).signals
        if not path.is_file():
            path = RunFolder(out).measured
        if not path.is_file():
            raise InputError(
                f"{out}: no {RunFolder(out).signals.name} here; wanted the output folder of"
                " 'modalmill run' or 'modalmill measure'"
            )
        table = read_parquet(path, _is_of_rules if only_rules else None)
        self.rules = [name for name in table.column_names if "." in name]
        given = [column.name for column in table.schema if column.metadata == OF_RECORD]
        self._numbers = [
            name
            for name in table.column_names
            if name not in (*_OF_RECORD, *_OF_PART, *self.rules, *given)
        ]
        # what was cut or trimmed stands there as what became of it as well
        self._table = table.filter(pc.not_equal(table["fate"], "replaced"))
        keys = self._table["key"].combine_chunks().dictionary_encode()
        # verdicts are of what was judged, which a later stage may have replaced
        record = pc.index_in(table["key"], value_set=keys.dictionary)
        self._judged = table.filter(record.is_valid())
        self._record_judged = record.drop_null().to_numpy()
        self._record = keys.indices.to_numpy()
        self.count = len(keys.dictionary)
        # a part that was taken says nothing of the record's fate, if there is another one
        is_taken = pc.equal(self._table["fate"], "dropped").to_numpy()
        last_first = np.argsort(is_taken, kind="stable")[::-1]
        first = np.zeros(self.count, int)
        first[self._record[last_first]] = last_first
        self.rows = self._table.take(first)
        self._places = {
            name: self._place_of(name) for name in pc.unique(self._table["part"]).to_pylist()
        }
        self.names = given + [
            f"{part}.{number}"
            for part, places in self._places.items()
            for number in self._numbers
            if self._table[number].take(places[places >= 0]).null_count < (places >= 0).sum()
        ]

    def _place_of(self, part: str) -> np.ndarray:
        """For each record the row of the table with its part of this name, -1 where none."""
        rows = np.flatnonzero(pc.equal(self._table["part"], part).to_numpy())[::-1]
        places = np.full(self.count, -1)
        places[self._record[rows]] = rows
        return places

    def column(self, name: str) -> pa.Array:
        """A column of the records by its name in a condition."""
        part, _, word = name.rpartition(".")
        if part not in self._places:
            return self.rows[name].combine_chunks()
        places = self._places[part]
        column = self._table[word].combine_chunks()
        return column.take(pa.array(np.maximum(places, 0), mask=places < 0))

    def has_part(self, part: str) -> pa.Array:
        """Whether each record has a part."""
        return pa.array(self._places[part] >= 0)

    def of(self, text: str) -> Where:
        """A condition on the records, all names of which are known."""
        where = Where(text)
        known = [*_OF_RECORD, *self.names]
        for name in sorted(where.names):
            if name not in known:
                raise InputError(
                    f"where {text!r}: nothing is called {name!r}{nearest(name, known)}"
                )
        for part in sorted(where.parts - self._places.keys()):
            raise InputError(
                f"where {text!r}: no part is called {part!r}{nearest(part, self._places)}"
            )
        return where

    def kept(self, where: Where) -> np.ndarray:
        """Where a condition is true, ``bool [N]``."""
        return where.mask(self.column, self.has_part)

    def is_written(self) -> np.ndarray:
        """Which records came to the end of the run, ``bool [N]``."""
        return np.asarray(pc.equal(self.rows["fate"], "written").to_numpy())

    def broken_by_rule(self) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """Of each rule which records it was asked of, and which have a part that breaks it."""
        result = {}
        for rule in self.rules:
            verdict = self._judged[rule].combine_chunks()
            asked, broken = np.zeros(self.count, bool), np.zeros(self.count, bool)
            asked[self._record_judged[verdict.is_valid().to_numpy(zero_copy_only=False)]] = True
            breaks = pc.equal(verdict, False).fill_null(False).to_numpy(zero_copy_only=False)
            broken[self._record_judged[breaks]] = True
            result[rule] = asked, broken
        return result


def rule_yields(records: MeasuredRecords) -> list[RuleYield]:
    """What each rule of a run takes of all records."""
    every = records.broken_by_rule()
    broken_by, written = _broken_by(records, every), records.is_written()
    return [
        RuleYield(rule, *_counts(asked, broken, broken & (broken_by == 1), broken & written))
        for rule, (asked, broken) in every.items()
    ]


def _broken_by(
    records: MeasuredRecords, every: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """How many rules each record breaks."""
    return sum((broken.astype(int) for _, broken in every.values()), np.zeros(records.count, int))


def _is_of_rules(name: str) -> bool:
    return name in ("key", "fate", "part") or "." in name


def look_text(out: Path, text: str, by: str, count: int) -> str:
    """Records for which a condition is true, with what it looks at; ``by``: the number that they
    are sorted by, the largest first where it begins with ``-``.
    """
    records = MeasuredRecords(out)
    where = records.of(text) if text else None
    chosen = np.flatnonzero(records.kept(where)) if where else np.arange(records.count)
    numbers = [name for name in sorted(where.names if where else ()) if name in records.names]
    name = by.removeprefix("-")
    if name:
        if name not in records.names:
            raise InputError(
                f"--by {by}: no number is called {name!r}{nearest(name, records.names)}"
            )
        column = records.column(name)
        if pa.types.is_string(column.type):
            raise InputError(f"--by {by}: is a word, and sorts nothing; wanted a number")
        values = column.fill_null(np.nan).to_numpy(zero_copy_only=False)[chosen]
        # NaN is last either way
        chosen = chosen[np.argsort(-values if by.startswith("-") else values, kind="stable")]
        numbers = list(dict.fromkeys([name, *numbers]))
    table = plain_table("key", "where", "fate", *numbers, right=tuple(numbers))
    for row in _shown(records, chosen[:count], numbers):
        table.add_row(*row)
    more = f"{len(chosen):,} of {records.count:,} records"
    return render_text(table, more if len(chosen) <= count else f"{more}; the first {count:,}")


def _shown(
    records: MeasuredRecords, chosen: np.ndarray, numbers: Sequence[str]
) -> Iterator[list[str]]:
    columns = [records.column(name).take(chosen).to_pylist() for name in numbers]
    for place, row in enumerate(records.rows.take(chosen).to_pylist()):
        where = row["uri"] or row["file"]
        if row["uri"] is None and row["row"] is not None:
            where = f"{where}, row {row['row']}"
        fate = row["fate"] if row["rule"] is None else f"{row['stage']}: {row['rule']}"
        yield [
            row["key"],
            where,
            fate,
            *(_cell(column[place]) for column in columns),
        ]


def _cell(value: float | str | None) -> str:
    """A number or a word as a table shows it."""
    if isinstance(value, str):
        return value
    return "-" if value is None else shown_number(value)


def yields_text(out: Path, conditions: Sequence[str]) -> str:
    """What each rule of a run takes of all records, and what conditions that somebody thinks of
    would take.
    """
    records = MeasuredRecords(out)
    every = records.broken_by_rule()
    broken_by, written = _broken_by(records, every), records.is_written()
    columns = ("rule", "asked", "break it", "break it alone", "of those kept")
    table = plain_table(*columns, right=columns[1:])
    for rule, *numbers in rule_yields(records):
        table.add_row(rule, *(f"{number:,}" for number in numbers))
    for text in conditions:
        where = records.of(text)
        if not where.is_condition:
            raise InputError(f"--if {text!r}: is no condition; wanted for example: {_EXAMPLE}")
        kept, broken = records.kept(where), records.kept(records.of(f"not ({text})"))
        alone = broken & (broken_by == 0)
        numbers = _counts(kept | broken, broken, alone, broken & written)
        table.add_row(text, *(f"{number:,}" for number in numbers))
    return render_text(
        table,
        f"of {records.count:,} records; alone: no other rule takes them. Rules count records that"
        " another had rejected before as well.",
    )


def _counts(*which: np.ndarray) -> list[int]:
    return [int(chosen.sum()) for chosen in which]
