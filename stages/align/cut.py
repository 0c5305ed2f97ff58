"""Cutting records in time: one record for each cue, its sound and frames cut to the same span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...schemas.contents import Contents
from ...schemas.record import Cue, Part, Record, make_key
from ..base import RecordStage
from ..modality import modality


@dataclass(frozen=True, kw_only=True)
class Cut(RecordStage):
    """Makes one record for each cue of a timed text, with every sound and video of the record cut
    to [start - margin, end + margin).

    by: name of the timed text part.
    skip: cues with these texts (silence marks) make no record.
    margin_s: seconds kept on both sides.
    min_s: shorter cues make no record.

    Records without that part, or without any cue to cut by, go on whole. The spans are written on
    the parts and carried out when media are decoded at the end. All pieces stay in the group of the
    whole.
    """

    by: str
    skip: list[str] = field(default_factory=list)
    margin_s: float = 0.0
    min_s: float = 0.0

    def mistakes(self, here: Contents) -> list[str]:
        return here.lacking_parts("by", [self.by], "text")

    def split(self, record: Record) -> Iterable[Record]:
        timed = record.parts.get(self.by)
        cues = (
            [
                cue
                for cue in timed.cues
                if cue.text not in self.skip and cue.end_s - cue.start_s >= self.min_s
            ]
            if timed
            else []
        )
        if not cues:
            return (record,)
        return [self._piece(record, number, cue) for number, cue in enumerate(cues)]

    def _piece(self, record: Record, number: int, cue: Cue) -> Record:
        start, end = max(0.0, cue.start_s - self.margin_s), cue.end_s + self.margin_s
        parts = {
            name: modality(part.modality).cut(part, start, end)
            for name, part in record.parts.items()
        }
        parts[self.by] = Part(
            "text", text=cue.text, cues=(Cue(cue.start_s - start, cue.end_s - start, cue.text),)
        )
        return replace(record, key=make_key(record.key, number), parts=parts)
