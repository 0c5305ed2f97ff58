"""Cutting records in time: one record for each cue of a text, for each window of a length, for each
stretch between silences, or for each shot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ...schemas.contents import Contents
from ...schemas.record import Cue, Part, Record, make_key
from ..base import RecordStage, TracksOf, no_tracks
from ..modality import modality, on_disk, segmenters, timed

WINDOWS, SILENCE = "windows", "silence"
_LARGEST = 1_000_000
_SHORTEST_S, _SHORTEST_HOP_S = 1e-3, 0.01


@dataclass(frozen=True, kw_only=True)
class Cut(RecordStage):
    """Makes one record for each cue of a timed text, for each window, for each stretch of sound
    between silences, or for each shot of a film, with every sound, video and series of the record
    cut to its span.

    by: name of the timed text part whose cues cut, or ``windows``, ``silence``, ``shots``.
    part: the sound or the film that is looked at for silences or shots, where there are several.
    window_s, hop_s: how long windows are, and how long after one the next begins (``window_s``
        where it is not given; less for windows that overlap).
    silence_db: by how much silence lies under the loud moments of the recording (95th percentile);
        what is below -60 dBFS is silent in any case.
    min_silence_s: shorter silences part nothing.
    skip: cues with these texts (silence marks) make no record.
    margin_s: seconds kept on both sides of a cue, or of a stretch of sound.
    min_s: what is shorter makes no record: a cue, a stretch, a shot, a last window.
    max_s: longer stretches and shots are cut into as few equal ones as keep to it.

    Records without that part, or without anything to cut by (no cue, nothing to hear, nothing of
    ``min_s``), go on whole. Windows run over the shortest of the record's sounds, videos and
    series; timed text keeps the cues that overlap a piece, other text stays as it is. The spans are
    written on the parts and carried out when media are decoded at the end. All pieces stay in the
    group of the whole. Dissolves and fades part no shots.
    """

    by: str
    window_s: float | None = None
    hop_s: float | None = None
    part: str | None = None
    silence_db: float = 40.0
    min_silence_s: float = 0.3
    skip: list[str] = field(default_factory=list)
    margin_s: float = 0.0
    min_s: float = 0.0
    max_s: float | None = None

    def __post_init__(self) -> None:
        if self.by == WINDOWS:
            if self.window_s is None or self.window_s < _SHORTEST_HOP_S:
                raise ValueError("window_s: say how long the windows are, in seconds above 0")
            if self.hop_s is not None and self.hop_s < _SHORTEST_HOP_S:
                raise ValueError(
                    f"hop_s: wanted {_SHORTEST_HOP_S} seconds or more, found {self.hop_s}"
                )
        elif self.window_s is not None or self.hop_s is not None:
            raise ValueError(
                f"window_s, hop_s: are for by: {WINDOWS}, and it is cut by {self.by!r}"
            )
        if self.by not in segmenters() and (self.part is not None or self.max_s is not None):
            raise ValueError(
                f"part, max_s: are for by: {', '.join(segmenters())}, and it is cut by {self.by!r}"
            )
        if self.max_s is not None and self.max_s < max(_SHORTEST_HOP_S, self.min_s):
            raise ValueError(
                f"max_s: wanted min_s ({self.min_s:g}) or more, and {_SHORTEST_HOP_S} at least,"
                f" found {self.max_s:g}"
            )
        if self.silence_db <= 0 or self.min_silence_s < 0:
            raise ValueError("silence_db, min_silence_s: wanted a number above 0")

    def mistakes(self, here: Contents) -> list[str]:
        kind = segmenters().get(self.by)
        if kind is not None:
            return self._unclear(here, kind)
        if self.by != WINDOWS:
            return here.lacking_parts("by", [self.by], "text")
        kinds = set(here.parts.values())
        if kinds.isdisjoint({None, *timed()}):
            return [f"by: nothing before it gives a part that has a time ({', '.join(timed())})"]
        return []

    def _unclear(self, here: Contents, kind: str) -> list[str]:
        """A line where it is not plain which part is looked at."""
        if self.part is not None:
            return here.lacking_parts("part", [self.part], kind)
        choices = [name for name, own in here.parts.items() if own in (None, kind)]
        if not choices:
            return [f"by: {self.by} looks at a part of {kind}, and nothing before it gives one"]
        if len(choices) > 1 and None not in here.parts.values():
            return [f"part: say which of {', '.join(choices)} is looked at for {self.by}"]
        return []

    def measures(self) -> tuple[str, ...]:
        if self.by in segmenters():
            return (segmenters()[self.by],)
        return timed() if self.by == WINDOWS else ()

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        if self.by == WINDOWS:
            pieces = list(self._windows(record))
        elif self.by in segmenters():
            pieces = list(self._segments(record, tracks))
        else:
            pieces = list(self._cues(record))
        return pieces or (record,)

    def _segments(self, record: Record, tracks: TracksOf) -> Iterator[Record]:
        kind = on_disk(segmenters()[self.by])
        looked_at = record.parts_of(kind.name)
        part = looked_at.get(self.part) if self.part else next(iter(looked_at.values()), None)
        own = tracks(part) if part is not None else {}
        if part is None or not own:
            return
        length = part.seconds() or 0.0
        options = {"silence_db": self.silence_db, "min_silence_s": self.min_silence_s}
        margin = self.margin_s if self.by == SILENCE else 0.0
        spans = [
            (max(0.0, start - margin), min(length, end + margin))
            for start, end in kind.segments(part, own, options)
            if end - start >= self.min_s
        ]
        for number, (start, end) in enumerate(self._no_longer(spans)):
            yield _piece(record, number, start, end)

    def _no_longer(self, spans: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
        """The spans, those that are longer than ``max_s`` in equal pieces."""
        for start, end in spans:
            count = 1 if self.max_s is None else max(1, math.ceil((end - start) / self.max_s))
            step = (end - start) / count
            for number in range(count):
                yield start + number * step, start + (number + 1) * step

    def _cues(self, record: Record) -> Iterator[Record]:
        text = record.parts.get(self.by)
        cues = [
            cue
            for cue in (text.cues if text else ())
            if cue.text not in self.skip and cue.end_s - cue.start_s >= self.min_s
        ]
        for number, cue in enumerate(cues):
            start = max(0.0, cue.start_s - self.margin_s)
            piece = _piece(record, number, start, cue.end_s + self.margin_s)
            own = Cue(cue.start_s - start, cue.end_s - start, cue.text)
            words = Part("text", text=cue.text, cues=(own,))
            yield replace(piece, parts={**piece.parts, self.by: words})

    def _windows(self, record: Record) -> Iterator[Record]:
        assert self.window_s is not None
        lengths = [
            part.seconds() or 0.0 for part in record.parts.values() if part.modality in timed()
        ]
        whole, hop = min(lengths, default=0.0), self.hop_s or self.window_s
        for number in range(_LARGEST):
            # by multiplication, so that a long film's last windows do not drift
            start = number * hop
            end = min(start + self.window_s, whole)
            # what is shorter than the window before reaches to the end lies within that one
            if number and start - hop + self.window_s >= whole:
                return
            if end - start < max(self.min_s, _SHORTEST_S):
                return
            yield _piece(record, number, start, end)


def _piece(record: Record, number: int, start_s: float, end_s: float) -> Record:
    parts = {
        name: modality(part.modality).cut(part, start_s, end_s)
        for name, part in record.parts.items()
    }
    return replace(record, key=make_key(record.key, number), parts=parts)
