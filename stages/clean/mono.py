"""Sounds of one channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...schemas.record import Record, Step
from ..base import RecordStage


@dataclass(frozen=True, kw_only=True)
class Mono(RecordStage):
    """Makes one channel of each sound that has several.

    take: the ``mean`` of all, or the ``left`` (first) or ``right`` (second) one alone, as where the
        other is dead. Of two opposite channels the mean is silence: ``antiphase`` tells which.
    """

    take: Literal["mean", "left", "right"] = "mean"

    def measures(self) -> tuple[str, ...]:
        return ("audio",)

    def apply(self, record: Record) -> Record:
        step = Step("mono", {"take": self.take})
        changed = {
            name: replace(part, steps=(*part.steps, step), channels=1)
            for name, part in record.parts_of("audio").items()
            if part.channels is not None and part.channels > 1
        }
        return replace(record, parts={**record.parts, **changed}) if changed else record
