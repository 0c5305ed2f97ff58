"""Outliers of numbers: of one far from the others, or of several that lie apart together."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents, names_of
from ...schemas.errors import MissingPackageError
from ...schemas.fingerprint import fingerprint
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, rows_of
from ..modalities.table import as_number
from ..modality import modality, names
from ._outlying import (
    isolation,
    neighbour_distances,
    robust_deviation,
    usual_distance,
    within_fences,
)


class _Numbers(NamedTuple):
    """The numbers of records, in the order of their keys. keys: of those that have all of them.
    values: ``float64 [N, C]``. is_typical: whether they set the limits ``bool [N]``. lacking: the
    keys of the others.
    """

    keys: list[str]
    values: np.ndarray
    is_typical: np.ndarray
    lacking: list[str]


@dataclass(frozen=True, kw_only=True)
class Outliers(CorpusStage):
    """Rejects records whose number lies more than ``deviations`` robust standard deviations from
    the median, or that lie apart in another way.

    column: a numeric target, a signal such as ``image.sharpness``, or a cell of a table such as
        ``cells.income``; or several of them.
    by: ``mad``, the distance from the median (Hampel 1974); ``iqr``, the quartiles with as many
        interquartile ranges as ``fences`` (Tukey 1977), each column for itself; ``knn``, the
        distance from the k-th nearest record in all columns together (Ramaswamy et al. 2000);
        ``isolation_forest``, how soon random cuts set a record apart (Liu et al. 2008).
    deviations: 1.4826 times the median absolute deviation is one (Hampel 1974); where that is zero
        the standard deviation is taken. By ``knn`` it is of the logarithm of distances, upwards.
    fences: interquartile ranges, where ``by`` is ``iqr``.
    neighbours: which one is the k-th, where ``by`` is ``knn``.
    score: the largest that is allowed, in (0, 1], where ``by`` is ``isolation_forest``; 0.5 is that
        of a record like any other.
    fit_split: the split whose records say what is usual, as ``train``, or several
        (``fold1+fold2``); all records where it is not given. Records of every split are judged.
    seed: of the random cuts.

    A record of which one of the numbers is not known is kept, and told.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "split", "targets", "signals", "parts")

    column: str | list[str]
    by: Literal["mad", "iqr", "knn", "isolation_forest"] = "mad"
    deviations: float = 5.0
    fences: float = 1.5
    neighbours: int = 5
    score: float = 0.6
    fit_split: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self._named:
            raise ValueError("column: wanted the name of a number, or of several, found none")
        if self.deviations <= 0 or self.fences < 0 or self.neighbours < 1:
            raise ValueError(
                "wanted deviations above 0, fences of 0 or more and one neighbour at least, found"
                f" {self.deviations:g}, {self.fences:g} and {self.neighbours}"
            )
        if not 0 < self.score <= 1:
            raise ValueError(f"score: wanted a number in (0, 1], found {self.score:g}")
        if self.by == "isolation_forest" and importlib.util.find_spec("sklearn") is None:
            raise MissingPackageError("scikit-learn", "outliers", self.address)

    def identity(self) -> str:
        if self.by != "isolation_forest":
            return super().identity()
        return fingerprint(super().identity(), importlib.metadata.version("scikit-learn"))

    @property
    def _named(self) -> list[str]:
        return [self.column] if isinstance(self.column, str) else self.column

    def mistakes(self, here: Contents) -> list[str]:
        lines = [line for name in self._named for line in self._unknown(name, here)]
        return lines + (here.lacking_split("fit_split", self.fit_split) if self.fit_split else [])

    def _unknown(self, name: str, here: Contents) -> list[str]:
        """A line where no record can have this number."""
        if name in here.signals:
            return []
        part = name.rpartition(".")[0]
        if not part or name in here.targets:
            lines = here.lacking_targets("column", [name])
            return lines or (
                [f"column: {name!r} is text; read it by 'numbers'"]
                if here.targets[name] == "text"
                else []
            )
        kind = here.parts.get(part)
        if kind in (None, "table", *here.measured):
            return here.lacking_parts("column", [part]) or self._unasked(name, here)
        return [
            f"column: the signals of {part!r} are not measured; add clean.{kind}, which"
            " measures them"
        ]

    def _unasked(self, name: str, here: Contents) -> list[str]:
        """A line where a signal is measured on request alone, and nobody asks for it."""
        part, _, word = name.rpartition(".")
        for kind in map(modality, names()):
            request = kind.signals[word].on_request if word in kind.signals else ""
            asked = f"{kind.name}.{request}"
            if request and here.parts[part] in (None, kind.name) and asked not in here.measured:
                return [
                    f"column: {name!r} is measured on request alone; add 'measure:"
                    f" [{part}.{request}]' to the recipe"
                ]
        return []

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        numbers = self._numbers(table)
        note = f"kept, for it is not known of them: {', '.join(self._named)}"
        decisions = {key: Decision(note=note) for key in numbers.lacking}
        if numbers.is_typical.any():
            decisions |= {key: Decision(fault) for key, fault in self._faults(numbers)}
        return decisions

    def _faults(self, numbers: _Numbers) -> Iterator[tuple[str, Fault]]:
        typical = numbers.values[numbers.is_typical]
        if self.by in ("mad", "iqr"):
            for place, name in enumerate(self._named):
                yield from self._far(
                    name, numbers.keys, numbers.values[:, place], typical[:, place]
                )
            return
        what = ", ".join(self._named)
        if self.by == "knn":
            among = neighbour_distances(typical, typical, self.neighbours)
            values = neighbour_distances(typical, numbers.values, self.neighbours)
            most = usual_distance(among, self.deviations)
            told = f"{what}: the {self.neighbours}. nearest record is far away"
        else:
            values = isolation(typical, numbers.values, self.seed)
            most = self.score
            told = f"{what}: random cuts soon set it apart"
        for key, value in zip(numbers.keys, values.tolist(), strict=True):
            if value > most:
                yield key, Fault("outlier", value, f"<= {most:.6g}", told)

    def _far(
        self, name: str, keys: Sequence[str], values: np.ndarray, typical: np.ndarray
    ) -> Iterator[tuple[str, Fault]]:
        """The records of which one number is far from the others."""
        if self.by == "iqr":
            low, high = within_fences(typical, self.fences)
            is_far, allowed = (values < low) | (values > high), f"{low:.6g} .. {high:.6g}"
            message = f"{name} lies more than {self.fences:g} interquartile ranges from the middle"
        else:
            median, reach = np.median(typical), self.deviations * robust_deviation(typical)
            is_far, allowed = np.abs(values - median) > reach, f"{median:g} +- {reach:.6g}"
            message = f"{name} lies more than {self.deviations:g} deviations from the median"
        for place in np.flatnonzero(is_far).tolist():
            yield keys[place], Fault("outlier", float(values[place]), allowed, message)

    def _numbers(self, table: pa.Table) -> _Numbers:
        with_cells = self._reads_cells(table)
        known: list[tuple[str, bool, list[float]]] = []
        lacking = []
        typical = names_of(self.fit_split) if self.fit_split else []
        for key, split, targets, signals, parts in rows_of(
            table if with_cells else table.set_column(*_no_parts(table)), *self.columns
        ):
            of_record = {**dict(signals or ()), **json.loads(targets)}
            values = [_number(of_record.get(name), name, parts) for name in self._named]
            if all(map(math.isfinite, values)):
                known.append((key, not typical or split in typical, values))
            else:
                lacking.append(key)
        # a forest depends on the order of rows
        known.sort(key=lambda each: each[0])
        return _Numbers(
            [key for key, _, _ in known],
            np.array([values for _, _, values in known], np.float64).reshape(-1, len(self._named)),
            np.array([is_typical for _, is_typical, _ in known], bool),
            lacking,
        )

    def _reads_cells(self, table: pa.Table) -> bool:
        """Whether one of the numbers may be a cell of a table, which stands in a part."""
        return any("." in name for name in self._named) and any(
            kind == "table"
            for chunk in table["parts"].chunks
            for kind in pa.compute.unique(chunk.flatten().field("modality")).to_pylist()
        )


def _no_parts(table: pa.Table) -> tuple[int, str, pa.Array]:
    """The column of parts without what stands in them."""
    return table.schema.get_field_index("parts"), "parts", pa.nulls(len(table))


def _number(value: object, name: str, parts: Sequence[dict[str, object]] | None) -> float:
    """A number of a record; NaN where it is not known."""
    part, _, word = name.rpartition(".")
    if value is None and part:
        for own in parts or ():
            if own["name"] == part and own["modality"] == "table":
                number = as_number(json.loads(str(own["text"] or "{}")).get(word))
                return math.nan if number is None else number
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return math.nan
