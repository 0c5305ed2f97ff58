"""Copies cut in time: sound, frames and timed words of a record cut to the same random span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.record import Record
from ..modality import modality, timed
from ._copies import DrawnCopies, copy_of


@dataclass(frozen=True, kw_only=True)
class CropTime(DrawnCopies):
    """Adds copies of each record that has sound or video, everything in it cut to one span.

    share: length of the span as a share of the whole.

    The whole is the shortest of the record's sounds and videos; a record whose length is not known
    gets no copy, nor does one whose span would be shorter than a frame. Timed text keeps the cues
    that overlap the span, moved to its start; other parts stay as they are.
    """

    share: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise ValueError(f"share: wanted one between 0 and 1, found {self.share}")

    def measures(self) -> tuple[str, ...]:
        return timed()

    def copies_of(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:
        lengths = [
            part.seconds() or 0.0 for part in record.parts.values() if part.modality in timed()
        ]
        if not lengths or not min(lengths) > 0:
            return ()
        # of a span shorter than a frame no picture is left
        frame_s = max((1 / part.fps for part in record.parts.values() if part.fps), default=0.0)
        if self.share * min(lengths) < frame_s:
            return ()
        copies = []
        for number in range(1, self.copies + 1):
            span = self.share * min(lengths)
            start = float(rng.uniform(0, min(lengths) - span))
            parts = {
                name: modality(part.modality).cut(part, start, start + span)
                for name, part in record.parts.items()
            }
            copies.append(replace(copy_of(record, "time", number), parts=parts))
        return copies
