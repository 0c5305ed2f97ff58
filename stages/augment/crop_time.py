"""Copies cut in time: sound, frames and timed words of a record cut to the same random span."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...schemas.quantity import fact
from ...schemas.record import Record
from ..copies import DrawnCopies
from ..modality import modality, timed


@dataclass(frozen=True, kw_only=True)
class CropTime(DrawnCopies):
    """Adds copies of each record that has sound or video, everything in it cut to one span.

    share: length of the span as a share of the whole.

    The whole is the shortest of the record's sounds and videos; a record whose length is not known
    gets no copy, nor does one whose span would be shorter than a frame, and both are counted. Timed
    text keeps the cues that overlap the span, moved to its start; other parts stay as they are.
    """

    word = "time"

    share: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise ValueError(f"share: wanted one between 0 and 1, found {self.share}")

    def measures(self) -> tuple[str, ...]:
        return timed()

    def takes_kind(self, kind: str) -> bool:
        return kind in timed()

    def why_not(self, record: Record) -> str:
        seconds = _seconds(record)
        if not seconds > 0:
            return "no copy: its length is not known"
        # of a span shorter than a frame no picture is left
        rates = (fact(part, "fps") for part in record.parts.values())
        frame_s = max((1 / rate_hz for rate_hz in rates if rate_hz), default=0.0)
        return "no copy: its span would be shorter than a frame" * (self.share * seconds < frame_s)

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        seconds = _seconds(record)
        span = self.share * seconds
        start = float(rng.uniform(0, seconds - span))
        parts = {
            name: modality(part.modality).cut(part, start, start + span)
            for name, part in record.parts.items()
        }
        return replace(record, parts=parts)


def _seconds(record: Record) -> float:
    """The shortest of the record's media; 0 where one of them is not known."""
    return min(part.seconds() or 0.0 for part in record.parts.values() if part.modality in timed())
