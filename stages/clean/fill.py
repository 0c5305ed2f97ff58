"""Missing target values: filled with a constant, the most frequent value or the mean, or their
records left out.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pyarrow as pa

from ...schemas.contents import Contents, Kind
from ...schemas.errors import InputError
from ...schemas.fingerprint import canonical
from ...schemas.json_value import JsonValue
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, rows_of

_FROM_ALL = "filled from what records of all splits have, for none in 'train' has it"


@dataclass(frozen=True, kw_only=True)
class Fill(CorpusStage):
    """Fills a target where it is missing.

    target: its name.
    by: ``drop`` counts the record as missing; ``constant`` sets the ``value``; ``most_frequent``
    and ``mean`` are taken from the records of the split ``train`` (from all where none there has
    the target, which the account then tells).
    value: a word or number, where ``by`` is ``constant``.
    only_source: fill only in records of this source.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "split", "targets", "origin")

    target: str
    by: Literal["drop", "constant", "most_frequent", "mean"] = "drop"
    value: str | float | None = None
    only_source: str | None = None

    def __post_init__(self) -> None:
        if (self.by == "constant") != (self.value is not None):
            raise ValueError("value goes with by: constant, and with nothing else")

    def mistakes(self, here: Contents) -> list[str]:
        lines = [] if self.by == "constant" else here.lacking_targets("target", [self.target])
        return lines + here.lacking_sources(
            "only_source", [self.only_source] if self.only_source else []
        )

    def contents(self, here: Contents) -> Contents:
        kind: Kind = "number" if isinstance(self.value, (int, float)) else "text"
        return (
            here
            if self.target in here.targets
            else replace(here, targets={**here.targets, self.target: kind})
        )

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        values: list[JsonValue] = []
        elsewhere: list[JsonValue] = []
        lacking: list[str] = []
        for key, split, targets, origin in rows_of(table, *self.columns):
            value = json.loads(targets).get(self.target)
            if value is not None:
                (values if split in (None, "train") else elsewhere).append(value)
            elif not self.only_source or origin["source"] == self.only_source:
                lacking.append(key)
        filler = self._filler(values or elsewhere)
        is_learned = self.by in ("most_frequent", "mean")
        note = _FROM_ALL if is_learned and elsewhere and not values else ""
        decisions = {}
        for key in lacking:
            if filler is None:
                decisions[key] = Decision(
                    Fault(
                        f"no target {self.target}",
                        None,
                        "present",
                        f"the target {self.target} is empty",
                        "missing",
                    )
                )
            else:
                decisions[key] = Decision(targets={self.target: filler}, note=note)
        return decisions

    def _filler(self, known: list[JsonValue]) -> JsonValue:
        if self.by == "constant":
            return self.value
        if self.by == "drop" or not known:
            return None
        if self.by == "mean":
            numbers = [value for value in known if isinstance(value, (int, float))]
            words = [value for value in known if not isinstance(value, (int, float))]
            if words:
                raise InputError(
                    f"{self.address}: by: mean wants numbers, and {self.target!r} holds"
                    f" {str(words[0])[:60]!r}; read it with 'numbers', or choose most_frequent"
                )
            return sum(float(value) for value in numbers) / len(known)
        # lists are counted as they stand
        counts = Counter(canonical(value) for value in known)
        first = {canonical(value): value for value in reversed(known)}
        return first[min(counts, key=lambda text: (-counts[text], str(first[text])))]
