"""Outer join of several sources by id: records of different sources that speak of the same thing
become one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.columns import numbered
from ...schemas.contents import Contents
from ...schemas.record import Fault
from .. import template
from ..base import ByRow, CorpusStage, Decision, rows_of

_FIELDS = ("id", "group", "source", "file")
_VALUES_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Join(CorpusStage):
    """Joins records of the named sources whose join values are equal.

    sources: names of the sources, the main one first; its record keeps key and origin and takes the
        parts and targets of the others.
    match: source -> template over ``{id}``, ``{group}`` (without the source's name), ``{file}`` and
        ``{source}``, written as sources write them (``{file:stem}``, ``{id:04d}``, ``{id:lower}``);
        ``{id}`` where none is given. An id that cannot be written so is taken as it is.

    A part or target that two joined records both have, with different content, is an error: give
    one of them another name.

    If several records of the main source share a value (five questions of one image), each takes
    the others' parts. Several records of another source with one value cannot be told apart and are
    rejected as ``ambiguous_key``. Records without a partner in one of the sources go on with what
    they have and are listed as ``unmatched``; ``align.require`` drops them if they are of no use.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "origin")
    joins: ClassVar[bool] = True

    version: ClassVar[int] = 2

    sources: list[str]
    match: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.sources)) < 2 or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"sources: wanted two or more to join, found {self.sources}")
        for name, text in self.match.items():
            if name not in self.sources:
                raise ValueError(f"match: none of the sources is called {name!r}")
            for problem in template.problems(text, _FIELDS):
                raise ValueError(f"match.{name}: {problem}")

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_sources("sources", self.sources) + here.too_late(
            "sources: it makes records one"
        )

    def reads(self) -> tuple[str, ...]:
        asked = {name for text in self.match.values() for name in template.fields(text)}
        more = [name for name in ("group", "origin.file") if name.rpartition(".")[2] in asked]
        return ("key", "origin.id", "origin.source", *more)

    def decide(self, table: pa.Table) -> Mapping[str, Decision]:
        names, places = pa.array(self.sources), [np.empty(0, np.int8)]
        for chunk in table["origin"].chunks:
            place = pc.index_in(pc.struct_field(chunk, "source"), value_set=names)
            places.append(pc.fill_null(place, -1).cast(pa.int8()).to_numpy())
        values = self._values(table)
        joined = _Joined(table["key"], self.sources, np.concatenate(places), values)
        return ByRow(table["key"], joined.of)

    def _values(self, table: pa.Table) -> pa.ChunkedArray:
        """The join value of each record."""
        if not self.match:
            return pa.chunked_array(
                [pc.struct_field(chunk, "id") for chunk in table["origin"].chunks], pa.string()
            )
        names = [name for name in ("origin", "group") if name in table.column_names]
        values = (self._value(*row) for row in rows_of(table, *names))
        chunks = []
        while some := list(itertools.islice(values, _VALUES_AT_ONCE)):
            chunks.append(pa.array(some, pa.string()))
        return pa.chunked_array(chunks, pa.string())

    def _value(self, origin: dict[str, str], group: str = "") -> str:
        fields = {
            "id": origin["id"],
            "group": group.removeprefix(f"{origin['source']}-"),
            "source": origin["source"],
            "file": origin.get("file", ""),
        }
        try:
            value = template.fill(self.match.get(origin["source"], "{id}"), fields)
        except ValueError:  # it is no number, and was to be written as one
            value = None
        return value or origin["id"]


class _Joined:
    """Which records belong together, by row, in a few numbers for each.

    sources: the source of each row by its place ``int8 [N]``, -1 for none. values: its join value.
    counts, first: for each different value and source how many rows there are, and the first of
    them ``int32 [V, S]``.
    """

    def __init__(
        self,
        keys: pa.ChunkedArray,
        names: Sequence[str],
        sources: np.ndarray,
        values: pa.ChunkedArray,
    ) -> None:
        self._keys, self._names = keys, names
        self._source, self._values = sources, values
        self._value = numbered(values)
        rows = np.flatnonzero(self._source >= 0)
        cells = self._value[rows].astype(np.int64) * len(names) + self._source[rows]
        size = (int(self._value.max(initial=-1)) + 1, len(names))
        counts = np.bincount(cells, minlength=size[0] * size[1])
        self._counts = counts.astype(np.int32).reshape(size)
        first = np.full(size[0] * size[1], -1, np.int32)
        # backwards, so that the first row is the one that stays
        first[cells[::-1]] = rows[::-1]
        self._first = first.reshape(size)
        # the first of the sources that has the value keeps its records
        self._main = np.argmax(self._counts > 0, axis=1).astype(np.int8)

    def of(self, start: int, stop: int) -> list[Decision | None]:
        """The decisions on these rows."""
        return [self._decision(row) for row in range(start, stop)]

    def _decision(self, row: int) -> Decision | None:
        source = int(self._source[row])
        if source < 0:
            return None
        number = int(self._value[row])
        value: str = self._values[row].as_py()
        counts, first = self._counts[number], self._first[number]
        main = int(self._main[number])
        if source == main:
            return self._taking(value, counts.tolist(), first.tolist(), main)
        if counts[source] > 1:
            message = (
                f"{counts[source]} records of {self._names[source]} have the join value {value!r}"
            )
            return Decision(Fault("ambiguous_key", int(counts[source]), 1, message))
        message = f"lives on in {self._key(int(first[main]))}"
        return Decision(Fault("joined", value, None, message, "merged"))

    def _taking(
        self, value: str, counts: list[int], first: list[int], main: int
    ) -> Decision | None:
        """What a record takes from those of other sources, and where there is none."""
        taken = tuple(
            self._key(row)
            for place, (count, row) in enumerate(zip(counts, first, strict=True))
            if count == 1 and place != main
        )
        alone = tuple(
            Fault.unmatched(name, value, f"no record of {name} has the join value {value!r}")
            for name, count in zip(self._names, counts, strict=True)
            if not count
        )
        return Decision(absorb=taken, unmatched=alone) if taken or alone else None

    def _key(self, row: int) -> str:
        key: str = self._keys[row].as_py()
        return key
