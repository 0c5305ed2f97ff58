"""Only records that have what is asked for go on; the others are counted as missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...schemas.contents import Contents
from ...schemas.record import Fault, Record
from ..base import RecordStage


@dataclass(frozen=True, kw_only=True)
class Require(RecordStage):
    """Drops records without the named parts or targets, counted as ``missing`` with the name.

    parts, targets: names that a record must have.
    any_of: at least one of these parts.
    """

    parts: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    any_of: list[str] = field(default_factory=list)

    def mistakes(self, here: Contents) -> list[str]:
        return (
            here.lacking_parts("parts", self.parts)
            + here.lacking_targets("targets", self.targets)
            + here.lacking_parts("any_of", self.any_of)
        )

    def fault(self, record: Record) -> Fault | None:
        for name in self.parts:
            if name not in record.parts:
                return Fault(
                    f"no {name}",
                    record.absent.get(name, "absent"),
                    "present",
                    f"the part {name} is required and not there",
                    "missing",
                )
        for name in self.targets:
            if name not in record.targets:
                return Fault(
                    f"no target {name}",
                    None,
                    "present",
                    f"the target {name} is required and not there",
                    "missing",
                )
        if self.any_of and not any(name in record.parts for name in self.any_of):
            return Fault(
                f"none of {', '.join(self.any_of)}",
                None,
                "one of them",
                "none of the parts is there",
                "missing",
            )
        return None
