"""``signals.parquet`` by column: of a million records no more is read than a question needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas.columns import one_array
from ...schemas.errors import InputError
from ...schemas.quantity import FACTS, Quantity
from ...stages.modality import modality, names
from ..signals import OF_RECORD
from ..texts import quantities

_FEW_WORDS = ("part", "modality", "source", "file", "fate", "stage", "rule", "damage")
_SHOWN = (*_FEW_WORDS, "key", "row", "uri", "start_s", "end_s")


class PartRow(TypedDict):
    """What an example shows of a part; ``at``: its row in the table."""

    at: int
    key: str
    part: str
    modality: str
    source: str
    file: str
    row: int | None
    uri: str | None
    start_s: float | None
    end_s: float | None
    fate: str
    stage: str | None
    rule: str | None
    damage: str | None
    width: int | None
    height: int | None
    frames: int | None


class PartTable:
    """The parts of all records. rules: the columns of verdicts. kinds: part -> modality."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, read_dictionary=list(_FEW_WORDS))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path}: cannot be read ({error}); run the recipe again") from error
        self.schema = self._file.schema_arrow
        self.rules = [name for name in self.schema.names if "." in name]
        self._shown = self._file.read([name for name in _SHOWN if name in self.schema.names])
        self._shown = self._shown.unify_dictionaries().combine_chunks()
        self.kinds = {
            part: kind
            for part, kind in sorted(self._pairs())
            if part is not None and kind is not None
        }
        self._last: tuple[str, np.ndarray] = "", np.zeros(0)
        self.is_replaced = self._is("fate", "replaced")

    def _pairs(self) -> set[tuple[str, str]]:
        part, kind = (one_array(self._shown[name]) for name in ("part", "modality"))
        codes = part.indices.to_numpy() * len(kind.dictionary) + kind.indices.to_numpy()
        return {
            (
                part.dictionary[int(code) // len(kind.dictionary)].as_py(),
                kind.dictionary[int(code) % len(kind.dictionary)].as_py(),
            )
            for code in np.unique(codes)
        }

    def __len__(self) -> int:
        return len(self._shown)

    def _is(self, column: str, word: str) -> np.ndarray:
        words = one_array(self._shown[column])
        place = pc.index(words.dictionary, word).as_py()
        return np.asarray(words.indices.fill_null(-1).to_numpy() == (-2 if place < 0 else place))

    def is_part(self, part: str) -> np.ndarray:
        """The rows of the parts of this name, ``bool [N]``."""
        return self._is("part", part)

    def _column(self, name: str) -> np.ndarray:
        """A column of numbers, NaN where one is not known; the last one is remembered."""
        if self._last[0] != name:
            column = one_array(self._file.read([name])[name].cast(pa.float64()))
            self._last = name, column.fill_null(np.nan).to_numpy(zero_copy_only=False)
        return self._last[1]

    def numbers(self, part: str, name: str) -> np.ndarray:
        """A fact or a signal of all parts of a name, as far as it is known and finite ``[N]``; of
        what was cut, that of the pieces.
        """
        values = self._column(name)
        return np.asarray(values[self.is_part(part) & ~self.is_replaced & np.isfinite(values)])

    def judged(self, rule: str, part: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of which a rule was asked, and whether they keep it. Where parts were cut after
        it, those are told that it judged, and not their pieces.
        """
        verdict = one_array(self._file.read([rule])[rule])
        asked = verdict.is_valid().to_numpy(zero_copy_only=False) & self.is_part(part)
        kept = verdict.fill_null(False).to_numpy(zero_copy_only=False)
        if (asked & self.is_replaced).any():
            asked &= self.is_replaced | ~kept
        rows = np.flatnonzero(asked)
        return rows, kept[rows]

    def values_at(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A fact or a signal of these rows, NaN where it is not known."""
        return np.asarray(self._column(name)[rows])

    def quantity(self, part: str, name: str) -> Quantity | None:
        """What a number of a part is; None where nothing says so."""
        kind = self.kinds[part]
        known = quantities(modality(kind)) if kind in names() else FACTS
        return known.get(name)

    def number_names(self) -> Iterator[str]:
        """The columns that are numbers of parts; those of records stand on each of their parts."""
        for field in self.schema:
            is_number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
            if is_number and field.name not in _SHOWN and (field.metadata or {}) != OF_RECORD:
                yield field.name

    def examples(self, rows: np.ndarray) -> list[PartRow]:
        """What is shown of these rows."""
        table = self._shown.take(pa.array(rows))
        sides = {
            name: self.values_at(name, rows) if name in self.schema.names else [np.nan] * len(rows)
            for name in ("width", "height", "frames")
        }
        result = []
        for place, row in enumerate(table.to_pylist()):
            row["at"] = int(rows[place])
            for name, values in sides.items():
                row[name] = None if np.isnan(values[place]) else int(values[place])
            result.append(row)
        return result

    def of_keys(self, keys: list[str]) -> dict[str, list[PartRow]]:
        """The parts of the records of these keys, by key."""
        found = pc.is_in(self._shown["key"], value_set=pa.array(keys, pa.string()))
        result: dict[str, list[PartRow]] = {}
        for row in self.examples(np.flatnonzero(one_array(found).to_numpy(zero_copy_only=False))):
            result.setdefault(row["key"], []).append(row)
        return result
