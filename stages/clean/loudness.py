"""Sounds brought to one loudness."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...schemas.record import Part, Record, Step
from ..base import RecordStage

_AUDIO = "audio"
_UNKNOWN = "not brought to a loudness: less than 0.4 s long, or nothing in them above -70 LUFS"
_DAMAGED = "not brought to a loudness: a sound cannot be decoded to its end"


@dataclass(frozen=True, kw_only=True)
class Loudness(RecordStage):
    """Brings each sound to an integrated loudness (ITU-R BS.1770-4) by one gain for all of it.

    lufs: the loudness; -23 is that of European broadcasts (EBU R 128), -16 usual for podcasts.
    peak_dbtp: the true peak above which no sound may rise; one that would stays softer than
        ``lufs``, and is counted where shards are written.

    The gain is found where the sound is decoded at the end, after all that was done to it before.
    A sound that is too short or too soft to have a loudness, or damaged, is left as it is, and
    counted.
    """

    lufs: float = -23.0
    peak_dbtp: float = -1.0

    def __post_init__(self) -> None:
        if not -70 < self.lufs <= 0 or not -70 < self.peak_dbtp <= 0:
            raise ValueError(
                "lufs, peak_dbtp: wanted numbers between -70 and 0, found"
                f" {self.lufs:g} and {self.peak_dbtp:g}"
            )

    def measures(self) -> tuple[str, ...]:
        return (f"{_AUDIO}.loudness",)

    def apply(self, record: Record) -> Record:
        step = Step("loudness", {"lufs": self.lufs, "peak_dbtp": self.peak_dbtp})
        changed: dict[str, Part] = {
            name: replace(part, steps=(*part.steps, step))
            for name, part in record.parts_of(_AUDIO).items()
            if f"{name}.loudness_lufs" in record.signals
        }
        return replace(record, parts={**record.parts, **changed}) if changed else record

    def remark(self, record: Record) -> str:
        unknown = [
            part
            for name, part in record.parts_of(_AUDIO).items()
            if f"{name}.loudness_lufs" not in record.signals
        ]
        if any(part.damage for part in unknown):
            return _DAMAGED
        return _UNKNOWN if unknown else ""
