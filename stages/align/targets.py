"""One name for targets that several sources call differently."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...schemas.contents import Contents
from ...schemas.record import Record
from ..base import RecordStage


@dataclass(frozen=True, kw_only=True)
class Targets(RecordStage):
    """Gives each record the target ``name``: the first of the named ones that it has. The others
    stay as they are.

    name: the new target. first_of: names in order of preference.
    """

    name: str
    first_of: list[str]

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_targets("first_of", self.first_of)

    def contents(self, here: Contents) -> Contents:
        kinds = {here.targets.get(name) for name in self.first_of}
        return replace(
            here, targets={**here.targets, self.name: kinds.pop() if len(kinds) == 1 else None}
        )

    def apply(self, record: Record) -> Record:
        found = next((word for word in self.first_of if word in record.targets), None)
        if found is None:
            return record
        return replace(record, targets={**record.targets, self.name: record.targets[found]})
