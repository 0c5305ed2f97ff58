"""Copies of recordings and films at another speed, the times of their words with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...schemas.record import Cue, Part, Record, Step
from ..copies import DrawnCopies
from ..modality import modality, timed
from ._drawing import check_range, draw, with_steps


@dataclass(frozen=True, kw_only=True)
class Speed(DrawnCopies):
    """Adds copies of each record that has sound or a film, faster or slower, all of it at one pace;
    the times of cues move with it.

    factor: lowest and highest; 1.1 is a tenth faster.
    keep_pitch: stretch the time alone of a sound (phase vocoder of librosa), in the place of
        playing it faster, whose pitch goes up with it (Ko et al. 2015).
    copies: number of copies.

    A film keeps its frames, each shown so much earlier. A record with a series beside it gets no
    copy, and is counted: a series would no longer belong to it. Stages that look at what was
    measured over time leave a copy as it is.
    """

    version = 3

    factor: tuple[float, float] = (0.9, 1.1)
    keep_pitch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0.25, 4.0)

    def takes_kind(self, kind: str) -> bool:
        return modality(kind).takes_speed

    def why_not(self, record: Record) -> str:
        kinds = {part.modality for part in record.parts.values()}
        left = sorted(kind for kind in kinds.intersection(timed()) if not self.takes_kind(kind))
        return f"no copy at another speed: its {left[0]} would run on at its own" if left else ""

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        factor = draw(rng, self.factor, 4)
        step = Step("speed", {"factor": factor, "keep_pitch": self.keep_pitch})
        names = [name for name, part in record.parts.items() if self.takes_kind(part.modality)]
        faster = with_steps(record, names, [step])
        parts = {name: _with_cues(part, step.pace) for name, part in faster.parts.items()}
        return replace(faster, parts=parts)


def _with_cues(part: Part, pace: float) -> Part:
    """The part with its cues at the times at which they come in a faster medium."""
    if not part.cues:
        return part
    cues = (Cue(cue.start_s / pace, cue.end_s / pace, cue.text) for cue in part.cues)
    return replace(part, cues=tuple(cues))
