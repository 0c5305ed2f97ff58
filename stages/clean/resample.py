"""Sounds of one rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...schemas.record import Part, Record, Step
from ..base import RecordStage

_RAISED = "brought up to a higher rate, in which there is nothing more to hear"


@dataclass(frozen=True, kw_only=True)
class Resample(RecordStage):
    """Brings each sound to a rate, all of its channels (soxr, high quality).

    rate_hz: samples a second.

    ``sample_rate_hz`` of the shard does the same to all sounds and makes them mono; a model reads
    sounds at the ``rate_hz`` of its input in any case.
    """

    rate_hz: int

    def __post_init__(self) -> None:
        if not 1000 <= self.rate_hz <= 768_000:
            raise ValueError(f"rate_hz: wanted 1000 to 768000 samples a second, not {self.rate_hz}")

    def measures(self) -> tuple[str, ...]:
        return ("audio",)

    def apply(self, record: Record) -> Record:
        step = Step("resample", {"rate_hz": self.rate_hz})
        changed = {
            name: replace(part, steps=(*part.steps, step), sample_rate_hz=self.rate_hz)
            for name, part in record.parts_of("audio").items()
            if self._changes(part)
        }
        return replace(record, parts={**record.parts, **changed}) if changed else record

    def remark(self, record: Record) -> str:
        sounds = record.parts_of("audio").values()
        raised = (
            self._changes(part) and (part.sample_rate_hz or 0) < self.rate_hz for part in sounds
        )
        return _RAISED if any(raised) else ""

    def _changes(self, part: Part) -> bool:
        return part.sample_rate_hz is not None and part.sample_rate_hz != self.rate_hz
