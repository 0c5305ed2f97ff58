"""Outer join of several sources by id: records of different sources that speak of the same thing
become one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from ...schemas.contents import Contents
from ...schemas.record import Fault
from ..base import CorpusStage, Decision, rows_of

_FIELD = re.compile(r"\{(id|group|source|file)(?::(stem))?\}")


@dataclass(frozen=True, kw_only=True)
class Join(CorpusStage):
    """Joins records of the named sources whose join values are equal.

    sources: names of the sources, the main one first; its record keeps key and origin and takes the
        parts and targets of the others.
    match: source -> template over ``{id}``, ``{id:stem}``, ``{group}`` (without the source's name)
        and ``{file:stem}``; ``{id}`` where none is given.

    A part or target that two joined records both have, with different content, is an error: give
    one of them another name.

    If several records of the main source share a value (five questions of one image), each takes
    the others' parts. Several records of another source with one value cannot be told apart and are
    rejected as ``ambiguous_key``. Records without a partner in one of the sources go on with what
    they have and are listed as ``unmatched``; ``align.require`` drops them if they are of no use.
    """

    columns: ClassVar[tuple[str, ...]] = ("key", "group", "origin")

    sources: list[str]
    match: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.sources) < 2:
            raise ValueError(f"sources: wanted two or more to join, found {self.sources}")
        for name, template in self.match.items():
            if name not in self.sources or "{" in _FIELD.sub("", template):
                raise ValueError(
                    f"match.{name}: wanted one of the sources and a template of id, group, source"
                    f" or file, found {template!r}"
                )

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_sources("sources", self.sources) + here.too_late(
            "sources: it makes records one"
        )

    def decide(self, table: pa.Table) -> dict[str, Decision]:
        by_value: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for key, group, origin in rows_of(table, *self.columns):
            if origin["source"] in self.sources:
                by_value[self._value(group, origin)][origin["source"]].append(key)
        decisions: dict[str, Decision] = {}
        for value, found in by_value.items():
            present = [name for name in self.sources if found.get(name)]
            main, others = found[present[0]], present[1:]
            taken: list[str] = []
            for name in others:
                keys = found[name]
                if len(keys) > 1:
                    fault = Fault(
                        "ambiguous_key",
                        len(keys),
                        1,
                        f"{len(keys)} records of {name} have the join value {value!r}",
                    )
                    decisions |= dict.fromkeys(keys, Decision(fault))
                    continue
                taken.append(keys[0])
                decisions[keys[0]] = Decision(
                    Fault("joined", value, None, f"lives on in {main[0]}", "merged")
                )
            alone = tuple(
                Fault.unmatched(name, value, f"no record of {name} has the join value {value!r}")
                for name in self.sources
                if not found.get(name)
            )
            if taken or alone:
                decisions |= dict.fromkeys(main, Decision(absorb=tuple(taken), unmatched=alone))
        return decisions

    def _value(self, group: str, origin: dict[str, str]) -> str:
        fields = {
            "id": origin["id"],
            "group": group.removeprefix(f"{origin['source']}-"),
            "source": origin["source"],
            "file": origin["file"],
        }
        template = self.match.get(origin["source"], "{id}")

        def one(match: re.Match[str]) -> str:
            value = fields[match.group(1)]
            return value.rpartition("/")[2].rpartition(".")[0] if match.group(2) else value

        return _FIELD.sub(one, template)
