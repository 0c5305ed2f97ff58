"""Numbers of one's own as signals: scores, ratings, confidences of labels, from a table by key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.errors import InputError, nearest
from ...schemas.fingerprint import fingerprint, hash_file
from ...schemas.manifest import WORK_SCHEMA
from ...schemas.quantity import FACTS
from ..base import ByRow, CorpusStage, Decision, rows_of
from ..modality import modality, names
from ._numbers import columns_of, numbers_by_key

_NAME = re.compile(r"(?:[^\W\d][\w-]*\.)?[^\W\d]\w*\Z")
_OF_RECORD = ("key", "group", "id", "source", "file")
# what columns of signals.parquet, and names in conditions, mean already
_TAKEN = frozenset(
    {*WORK_SCHEMA.names, *FACTS, "part", "modality", "source", "file", "row", "uri", "start_s"}
    | {"end_s", "damage", "tar", "id"}
)


@dataclass(frozen=True, kw_only=True)
class Signals(CorpusStage):
    """Gives records the numbers of a table of your own as signals, which rules, ``look`` and the
    ``where`` of a stream then have beside what was measured.

    path: a CSV (UTF-8, with a header), TSV, Parquet or Arrow file, from where the command is given;
        what depends on it is made anew when its contents change.
    signals: signal -> column of the table. ``aesthetic`` is a number of the record,
        ``image.aesthetic`` one of its part ``image``, which goes where that part goes.
    key: the column that says which record a row is of.
    match: what of a record stands there: its ``key``, ``id``, ``file``, ``group`` or ``source`` as
        the manifest has them (the group without the name of its source), or a target. Several
        records may have the same.

    An empty cell, null or NaN is a number that is not known. Rows that no record has and records
    without a row are counted in the account; a table none of whose rows is of a record is an error,
    as are a key in several rows and texts among numbers. Copies and pieces of a record keep its
    numbers.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "origin", "targets", "parts")

    path: Path
    signals: dict[str, str]
    key: str = "key"
    match: str = "key"

    def __post_init__(self) -> None:
        if not self.signals:
            raise ValueError("signals: wanted signal: column of the table, found nothing")
        for name in self.signals:
            if not _NAME.match(name):
                raise ValueError(
                    f"signals: {name!r} is no name for a signal; wanted letters, digits and _,"
                    " after the part and a dot where it is one of a part"
                )
            if name in _TAKEN:
                raise ValueError(
                    f"signals: {name!r} means something else already; call it otherwise"
                )

    def identity(self) -> str:
        contents = hash_file(self.path) if self.path.is_file() else ""
        return fingerprint(super().identity(), contents)

    def mistakes(self, here: Contents) -> list[str]:
        lines = []
        for name in self.signals:
            part, _, word = name.rpartition(".")
            lines += here.lacking_parts("signals", [part] if part else [])
            if name in here.signals or word in _measured(here.parts.get(part)):
                lines.append(f"signals: {name!r} is known of records already; call it otherwise")
            if not part and name in {*here.targets, *here.parts}:
                lines.append(f"signals: {name!r} is a part or a target; call it otherwise")
        if self.match not in (*_OF_RECORD, *here.targets):
            known = [*_OF_RECORD, *here.targets]
            lines.append(
                f"match: records have no {self.match!r}, and no target called so"
                f"{nearest(self.match, known)}"
            )
        try:
            there = columns_of(self.path)
        except InputError as error:
            return [*lines, f"path: {error}"]
        return lines + [
            f"{option}: {self.path} has no column {column!r}{nearest(column, there)}"
            for option, column in [
                ("key", self.key),
                *(("signals", c) for c in self.signals.values()),
            ]
            if column not in there
        ]

    def contents(self, here: Contents) -> Contents:
        return replace(here, signals=here.signals | self.signals.keys())

    def decide(self, table: pa.Table) -> Mapping[str, Decision]:
        rows, without_key = numbers_by_key(self.path, self.key, self.signals)
        asked = list(self._asked(table))
        words = [word for word, _ in asked]
        if words and rows.keys().isdisjoint(words):
            raise InputError(
                f"{self.address}: no record has its {self.match} in the column {self.key!r} of"
                f" {self.path}: there {next(iter(sorted(rows)), 'nothing')!r}, records have"
                f" {min(filter(None, words), default=None)!r}; set key and match to what both have"
            )
        told = {
            f"rows of {self.path.name} that are of no record": len(rows.keys() - set(words)),
            f"rows of {self.path.name} without a {self.key}": without_key,
        }
        return ByRow(
            table["key"],
            lambda start, stop: [self._decision(rows, *each) for each in asked[start:stop]],
            {what: count for what, count in told.items() if count},
        )

    def _decision(
        self, rows: Mapping[str, Mapping[str, float]], word: str | None, parts: frozenset[str]
    ) -> Decision:
        """What one record is given."""
        row = None if word is None else rows.get(word)
        if row is None:
            return Decision(note=f"without a row in {self.path.name}")
        own = {
            name: number
            for name, number in row.items()
            if "." not in name or name.rpartition(".")[0] in parts
        }
        lacking = [name for name in self.signals if name not in own]
        return Decision(signals=own, note=f"{', '.join(lacking)}: not known" if lacking else "")

    def _asked(self, table: pa.Table) -> Iterator[tuple[str | None, frozenset[str]]]:
        """Of each record the word that its row is found by, and its parts, where a signal is of
        one.
        """
        asks = any("." in name for name in self.signals)
        columns = ("key", "group", "origin", "targets", *(["parts"] if asks else []))
        for key, group, origin, targets, *parts in rows_of(table, *columns):
            own = frozenset(part["name"] for part in parts[0]) if asks else frozenset()
            yield self._word(key, group, origin, targets), own

    def _word(self, key: str, group: str, origin: Mapping[str, Any], targets: str) -> str | None:
        if self.match == "key":
            return key
        if self.match == "group":
            return group.removeprefix(f"{origin['source']}-")
        if self.match in _OF_RECORD:
            return str(origin[self.match])
        value = json.loads(targets).get(self.match)
        if isinstance(value, (list, dict)):
            raise InputError(
                f"{self.address}: match: {self.match!r} holds {str(value)[:60]}; wanted one value,"
                " a word or a number"
            )
        is_whole = isinstance(value, float) and value.is_integer()
        return None if value is None else str(int(value)) if is_whole else str(value)


def _measured(kind: str | None) -> set[str]:
    """What is measured of parts of a modality, or of any."""
    chosen = [modality(kind)] if kind is not None else [modality(name) for name in names()]
    return {word for each in chosen for word in (*each.facts, *each.signals)}
