"""Cutting records in time: one record for each cue of a text, or for each window of a length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ...schemas.contents import Contents
from ...schemas.record import Cue, Part, Record, make_key
from ..base import RecordStage
from ..modality import modality, timed

WINDOWS = "windows"
_LARGEST = 1_000_000
_SHORTEST_S, _SHORTEST_HOP_S = 1e-3, 0.01


@dataclass(frozen=True, kw_only=True)
class Cut(RecordStage):
    """Makes one record for each cue of a timed text, or for each window, with every sound, video
    and series of the record cut to its span.

    by: name of the timed text part whose cues cut, or ``windows``.
    window_s, hop_s: how long windows are, and how long after one the next begins (``window_s``
        where it is not given; less for windows that overlap).
    skip: cues with these texts (silence marks) make no record.
    margin_s: seconds kept on both sides of a cue.
    min_s: shorter cues make no record, nor does a last window that is shorter.

    Records without that part, or without anything to cut by (no cue, no window of ``min_s``), go on
    whole. Windows run over the
    shortest of the record's sounds, videos and series; timed text keeps the cues that overlap a
    window, other text stays as it is. The spans are written on the parts and carried out when media
    are decoded at the end. All pieces stay in the group of the whole.
    """

    by: str
    window_s: float | None = None
    hop_s: float | None = None
    skip: list[str] = field(default_factory=list)
    margin_s: float = 0.0
    min_s: float = 0.0

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

    def mistakes(self, here: Contents) -> list[str]:
        if self.by != WINDOWS:
            return here.lacking_parts("by", [self.by], "text")
        kinds = set(here.parts.values())
        if kinds.isdisjoint({None, *timed()}):
            return [f"by: nothing before it gives a part that has a time ({', '.join(timed())})"]
        return []

    def measures(self) -> tuple[str, ...]:
        return timed() if self.by == WINDOWS else ()

    def split(self, record: Record) -> Iterable[Record]:
        pieces = list(self._windows(record) if self.by == WINDOWS else self._cues(record))
        return pieces or (record,)

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
