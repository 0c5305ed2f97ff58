"""Recordings without the silence before and after what there is to hear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ...schemas.contents import Contents
from ...schemas.record import Record
from ..base import RecordStage, TracksOf, no_tracks
from ..modality import modality, on_disk

_USUAL_SPEECH = {"threshold": 0.5, "neg_threshold": 0.35}
_AUDIO = "audio"


@dataclass(frozen=True, kw_only=True)
class Trim(RecordStage):
    """Cuts silence, or what is no speech, from both ends of each record that has sound.

    by: ``silence``, or ``speech`` for all that is none (by the network of Silero VAD: ``pip install
        'modalmill[speech]'``).
    part: the sound that is listened to, where there are several.
    silence_db: by how much silence lies under the loud moments of the recording (95th percentile);
        what is below -60 dBFS is silent in any case.
    margin_s: seconds kept on both sides.

    Films, series and other sounds of the record are cut to the same span, and the times of cues
    move with it; a cue that lies in what is cut away goes with it. Silence within stays. A sound in
    which nothing is heard, or that has no silence at its ends, is left as it is, and counted.
    """

    by: Literal["silence", "speech"] = "silence"
    part: str | None = None
    silence_db: float = 40.0
    margin_s: float = 0.1

    def __post_init__(self) -> None:
        if not (self.silence_db > 0 and self.margin_s >= 0):
            raise ValueError(
                "silence_db, margin_s: wanted decibels above 0 and seconds from 0 on, found"
                f" {self.silence_db:g} and {self.margin_s:g}"
            )

    def measures(self) -> tuple[str, ...]:
        return (f"{_AUDIO}.speech" if self.by == "speech" else _AUDIO,)

    def mistakes(self, here: Contents) -> list[str]:
        if self.part is not None:
            return here.lacking_parts("part", [self.part], _AUDIO)
        choices = [name for name, kind in here.parts.items() if kind in (None, _AUDIO)]
        if not choices:
            return [f"by: {self.by} is looked for in a sound, and nothing before it gives one"]
        if len(choices) > 1 and None not in here.parts.values():
            return [f"part: say which of {', '.join(choices)} is listened to"]
        return []

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        span = self._span(record, tracks)
        if span is None:
            return (record,)
        parts = {
            name: modality(part.modality).cut(part, *span) for name, part in record.parts.items()
        }
        return (replace(record, parts=parts),)

    def outcome(self, result: Record, before: Record) -> str:
        if result is not before or not before.parts_of(_AUDIO):
            return ""
        return "left as they were: nothing to hear in them, or nothing silent at their ends"

    def _span(self, record: Record, tracks: TracksOf) -> tuple[float, float] | None:
        """From when to when there is something to hear; None where nothing is to be cut."""
        sounds = record.parts_of(_AUDIO)
        part = sounds.get(self.part) if self.part else next(iter(sounds.values()), None)
        own = tracks(part) if part is not None else {}
        if part is None or not own:
            return None
        options = {"silence_db": self.silence_db, "min_silence_s": 0.1, **_USUAL_SPEECH}
        heard = on_disk(_AUDIO).segments(part, own, self.by, options)
        length = part.seconds() or 0.0
        if not heard:
            return None
        start, end = (
            max(0.0, heard[0][0] - self.margin_s),
            min(length, heard[-1][1] + self.margin_s),
        )
        return (start, end) if end > start and (start > 0 or end < length) else None
