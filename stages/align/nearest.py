"""Join of several sources by time: each record takes what was recorded closest to it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.json_value import as_word
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, rows_of


@dataclass(frozen=True, kw_only=True)
class Nearest(CorpusStage):
    """Joins each record of the first source with the record of every other source that is nearest
    to it in time.

    sources: names of the sources, the main one first; its records keep key and origin and take the
        parts and targets of the others.
    time: source -> the target that holds the time of its records, a number of seconds. Name it
        differently in each (``numbers: {frame_s: time}``), for a record has one target of a name.
    within_s: what is further away is no partner.
    equal: targets that both must have, with the same value: the recording, the drive, the patient.

    A record of another source that is nearest to several lives on in all of them; of two that are
    equally near the earlier one is taken. Records without a partner in one of the sources, and
    records of other sources that nothing is near to, go on with what they have and are listed as
    ``unmatched``; those whose time is not there are as well.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "origin", "targets")
    joins: ClassVar[bool] = True

    sources: list[str]
    time: dict[str, str]
    within_s: float
    equal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(set(self.sources)) < 2 or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"sources: wanted two or more to join, found {self.sources}")
        if set(self.time) != set(self.sources):
            raise ValueError(
                f"time: wanted the target with the time of each of {', '.join(self.sources)}, found"
                f" {self.time}"
            )
        if len(set(self.time.values())) < len(self.time):
            raise ValueError(
                f"time: wanted a target of another name in each source, found {self.time}; a joined"
                " record has one of a name"
            )
        if not self.within_s >= 0 or math.isinf(self.within_s):
            raise ValueError(f"within_s: wanted a number of seconds, found {self.within_s}")

    def mistakes(self, here: Contents) -> list[str]:
        lines = here.lacking_sources("sources", self.sources)
        lines += here.lacking_targets("time", self.time.values())
        lines += here.lacking_targets("equal", self.equal)
        lines += [
            f"time: {name!r} is text; read it by 'numbers'"
            for name in self.time.values()
            if here.targets.get(name) == "text"
        ]
        return lines + here.too_late("sources: it makes records one")

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        timed: dict[str, dict[str, list[_Timed]]] = defaultdict(lambda: defaultdict(list))
        unmatched: dict[str, list[Fault]] = defaultdict(list)
        for key, source, moment, place in self._moments(table):
            if moment is None:
                message = f"it has no {self.time[source]}"
                unmatched[key].append(Fault.unmatched("time", self.time[source], message))
            else:
                timed[source][place].append(_Timed(moment, key))
        main, *others = self.sources
        taken: dict[str, list[str]] = defaultdict(list)
        first: dict[str, str] = {}
        for other in others:
            for place, records in timed[main].items():
                for record, partner in _pairs(records, timed[other][place], self.within_s):
                    if partner is None:
                        message = f"no record of {other} is within {self.within_s:g} s"
                        unmatched[record.key].append(
                            Fault.unmatched(other, f"{record.moment:.6g} s", message)
                        )
                    else:
                        taken[record.key].append(partner.key)
                        first[partner.key] = min(first.get(partner.key, record.key), record.key)
            for records in timed[other].values():
                for record in records:
                    if record.key not in first:
                        message = f"no record of {main} is within {self.within_s:g} s"
                        unmatched[record.key].append(
                            Fault.unmatched(main, f"{record.moment:.6g} s", message)
                        )
        decisions = {
            key: Decision(Fault("joined", None, None, f"lives on in {into}", "merged"))
            for key, into in first.items()
        }
        for key in taken.keys() | unmatched.keys():
            decisions[key] = Decision(
                absorb=tuple(taken.get(key, ())), unmatched=tuple(unmatched.get(key, ()))
            )
        return decisions

    def _moments(self, table: pa.Table) -> Iterator[tuple[str, str, float | None, str]]:
        """Key, source, time (None where it is not there) and what must be equal, of each record of
        the sources.
        """
        for key, origin, text in rows_of(table, *self.columns):
            source = origin["source"]
            if source not in self.time:
                continue
            targets = json.loads(text)
            moment = targets.get(self.time[source])
            is_time = isinstance(moment, (int, float)) and math.isfinite(moment)
            shared = [targets.get(name) for name in self.equal]
            # what lacks one of them is a partner of nothing
            is_time = is_time and None not in shared
            place = json.dumps([as_word(value) for value in shared])
            yield key, source, float(moment) if is_time else None, place


class _Timed(NamedTuple):
    """A record at its time, in seconds; sorted by time, then by key."""

    moment: float
    key: str


def _pairs(
    records: list[_Timed], partners: list[_Timed], within_s: float
) -> Iterator[tuple[_Timed, _Timed | None]]:
    """Each record with the partner that is nearest to it, None where none is near enough."""
    partners = sorted(partners)
    moments = np.array([partner.moment for partner in partners])
    for record in records:
        after = int(np.searchsorted(moments, record.moment))
        # the one before, and the first of those that are as late
        near = [partners[place] for place in (after - 1, after) if 0 <= place < len(partners)]
        if near and near[0].moment < record.moment:
            # of several at one time the first by key
            near[0] = partners[int(np.searchsorted(moments, near[0].moment))]
        best = min(near, key=lambda one: (abs(one.moment - record.moment), one), default=None)
        is_near = best is not None and abs(best.moment - record.moment) <= within_s
        yield record, best if is_near else None
