"""Cutting records in time: one record for each cue of a text, for each window of a length, for each
stretch between silences or of speech, or for each shot.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ...schemas.contents import Contents
from ...schemas.errors import nearest
from ...schemas.record import Cue, Part, Record, make_key
from ..base import RecordStage, TracksOf, no_tracks
from ..modality import modality, on_disk, segmenters, timed

WINDOWS, SILENCE, SPEECH = "windows", "silence", "speech"
_LARGEST = 1_000_000
_SHORTEST_S, _SHORTEST_HOP_S = 1e-3, 0.01
# where an option is not given; those of speech are get_speech_timestamps' of Silero VAD 6
_USUAL: Mapping[str, Mapping[str, float]] = {
    SILENCE: {"min_silence_s": 0.3},
    SPEECH: {"threshold": 0.5, "min_silence_s": 0.1, "margin_s": 0.03, "min_s": 0.25},
}
_NEG_BELOW, _LEAST_NEG = 0.15, 0.01


@dataclass(frozen=True, kw_only=True)
class Cut(RecordStage):
    """Makes one record for each cue of a timed text, for each window, for each stretch of sound
    between silences, for each stretch of speech, or for each shot of a film, with every sound,
    video and series of the record cut to its span.

    by: name of the timed text part whose cues cut, or ``windows``, ``silence``, ``speech`` (by the
        network of Silero VAD: ``pip install 'modalmill[speech]'``), ``shots``.
    part: the sound or the film that is looked at for silences, speech or shots, where there are
        several.
    window_s, hop_s: how long windows are, and how long after one the next begins (``window_s``
        where it is not given; less for windows that overlap).
    silence_db: by how much silence lies under the loud moments of the recording (95th percentile);
        what is below -60 dBFS is silent in any case.
    threshold: speech begins where it is as likely as this; 0.5 where it is not given.
    neg_threshold: it ends where it is less likely than this; ``threshold`` - 0.15 where it is not
        given.
    min_silence_s: shorter silences part nothing, nor do shorter pauses of speech; 0.3 s of silence,
        and 0.1 s of a pause, where it is not given.
    skip: cues with these texts (silence marks) make no record.
    margin_s: seconds kept on both sides of a cue, or of a stretch of sound, but never more than
        half of what lies between two stretches; none where it is not given, 0.03 s of speech.
    min_s: what is shorter makes no record: a cue, a stretch, a shot, a last window; 0 where it is
        not given, 0.25 s of speech.
    max_s: longer stretches and shots are cut into as few equal ones as keep to it; speech into
        pieces of half of it at least, where it is least likely, so that no word is cut that need
        not be.

    Records without that part, or without anything to cut by (no cue, nothing to hear, nothing of
    ``min_s``), go on whole. Windows run over the shortest of the record's sounds, videos and
    series; timed text keeps the cues that overlap a piece, other text stays as it is. The spans are
    written on the parts and carried out when media are decoded at the end. All pieces stay in the
    group of the whole. Dissolves and fades part no shots.
    """

    version: ClassVar[int] = 2

    by: str
    window_s: float | None = None
    hop_s: float | None = None
    part: str | None = None
    silence_db: float = 40.0
    threshold: float | None = None
    neg_threshold: float | None = None
    min_silence_s: float | None = None
    skip: list[str] = field(default_factory=list)
    margin_s: float | None = None
    min_s: float | None = None
    max_s: float | None = None

    def __post_init__(self) -> None:
        if self.by == WINDOWS:
            if self.window_s is None or not self.window_s >= _SHORTEST_HOP_S:
                raise ValueError("window_s: say how long the windows are, in seconds above 0")
            if self.hop_s is not None and not self.hop_s >= _SHORTEST_HOP_S:
                raise ValueError(
                    f"hop_s: wanted {_SHORTEST_HOP_S} seconds or more, found {self.hop_s}"
                )
        elif self.window_s is not None or self.hop_s is not None:
            raise ValueError(
                f"window_s, hop_s: are for by: {WINDOWS}, and it is cut by {self.by!r}"
            )
        for option in ("margin_s", "min_s"):
            if not self._of(option) >= 0:
                raise ValueError(f"{option}: wanted 0 seconds or more, found {self._of(option):g}")
        if self.by not in segmenters() and (self.part is not None or self.max_s is not None):
            raise ValueError(
                f"part, max_s: are for by: {', '.join(segmenters())}, and it is cut by {self.by!r}"
            )
        least = self._of("min_s")
        if self.max_s is not None and not self.max_s >= max(_SHORTEST_HOP_S, least):
            raise ValueError(
                f"max_s: wanted min_s ({least:g}) or more, and {_SHORTEST_HOP_S} at least,"
                f" found {self.max_s:g}"
            )
        if not (self.silence_db > 0 and self._of("min_silence_s") >= 0):
            raise ValueError("silence_db, min_silence_s: wanted a number above 0")
        if self.by != SPEECH:
            if self.threshold is not None or self.neg_threshold is not None:
                raise ValueError(
                    f"threshold, neg_threshold: are for by: {SPEECH}, and it is cut by {self.by!r}"
                )
            return
        high, low = self._of("threshold"), self._neg_threshold()
        if not 0 < low <= high <= 1:
            raise ValueError(
                "threshold, neg_threshold: wanted numbers above 0 and up to 1, neg_threshold not"
                f" above threshold, found {high:g} and {low:g}"
            )

    def mistakes(self, here: Contents) -> list[str]:
        kind = segmenters().get(self.by)
        if kind is not None:
            return self._unclear(here, kind)
        if self.by != WINDOWS:
            if self.by in here.parts:
                return here.lacking_parts("by", [self.by], "text")
            texts = (name for name, kind in here.parts.items() if kind in (None, "text"))
            known = nearest(self.by, [*texts, WINDOWS, *segmenters()])
            return [f"by: nothing before it gives a part called {self.by!r}{known}"]
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
            kind = on_disk(segmenters()[self.by])
            return (f"{kind.name}.{self.by}" if self.by in kind.on_request else kind.name,)
        return timed() if self.by == WINDOWS else ()

    def split(self, record: Record, tracks: TracksOf = no_tracks) -> Iterable[Record]:
        if self.by == WINDOWS:
            pieces = list(self._windows(record))
        elif self.by in segmenters():
            pieces = list(self._segments(record, tracks))
        else:
            pieces = list(self._cues(record))
        return pieces or (record,)

    def outcome(self, result: Record, before: Record) -> str:
        return f"left whole, for nothing cuts them by {self.by}" if result is before else ""

    def _segments(self, record: Record, tracks: TracksOf) -> Iterator[Record]:
        kind = on_disk(segmenters()[self.by])
        looked_at = record.parts_of(kind.name)
        part = looked_at.get(self.part) if self.part else next(iter(looked_at.values()), None)
        own = tracks(part) if part is not None else {}
        if part is None or not own:
            return
        length = part.seconds() or 0.0
        options = {
            "silence_db": self.silence_db,
            "threshold": self._of("threshold"),
            "neg_threshold": self._neg_threshold(),
            "min_silence_s": self._of("min_silence_s"),
        }
        spans = [
            (start, end)
            for start, end in kind.segments(part, own, self.by, options)
            if end - start >= self._of("min_s")
        ]
        if self.by in (SILENCE, SPEECH):
            spans = _widened(spans, self._of("margin_s"), length)
        if self.max_s is not None:
            parted = (kind.parted(part, own, self.by, span, self.max_s) for span in spans)
            spans = list(itertools.chain.from_iterable(parted))
        for number, (start, end) in enumerate(spans):
            yield _piece(record, number, start, end)

    def _of(self, option: str) -> float:
        """The value of an option whose usual one depends on what is cut by."""
        given: float | None = getattr(self, option)
        return _USUAL.get(self.by, {}).get(option, 0.0) if given is None else given

    def _neg_threshold(self) -> float:
        if self.neg_threshold is not None:
            return self.neg_threshold
        return max(self._of("threshold") - _NEG_BELOW, _LEAST_NEG)

    def _cues(self, record: Record) -> Iterator[Record]:
        text = record.parts.get(self.by)
        cues = [
            cue
            for cue in (text.cues if text else ())
            if cue.text not in self.skip and cue.end_s - cue.start_s >= self._of("min_s")
        ]
        for number, cue in enumerate(cues):
            start = max(0.0, cue.start_s - self._of("margin_s"))
            piece = _piece(record, number, start, cue.end_s + self._of("margin_s"))
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
            if end - start < max(self._of("min_s"), _SHORTEST_S):
                return
            yield _piece(record, number, start, end)


def _widened(
    spans: list[tuple[float, float]], margin_s: float, length_s: float
) -> list[tuple[float, float]]:
    """The spans with a margin on both sides, or with half of what lies between two of them where
    that is less, within a part of this length.
    """
    # what lies before the first and after the last is no other's
    edges = [-math.inf, *itertools.chain.from_iterable(spans), math.inf]
    margins = [
        min(margin_s, (begin - end) / 2) for end, begin in zip(edges[::2], edges[1::2], strict=True)
    ]
    return [
        (max(0.0, start - before), min(length_s, end + after))
        for (start, end), before, after in zip(spans, margins, margins[1:], strict=False)
    ]


def _piece(record: Record, number: int, start_s: float, end_s: float) -> Record:
    parts = {
        name: modality(part.modality).cut(part, start_s, end_s)
        for name, part in record.parts.items()
    }
    return replace(record, key=make_key(record.key, number), parts=parts)
