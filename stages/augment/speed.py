"""Copies of recordings at another speed, the times of their words with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.record import Cue, Record, Step
from ..modality import timed
from ._drawing import check_range, draw
from ._sounds import AUDIO, SoundCopies

_BESIDE = "no copy at another speed: a film or a series beside the sound would run on at its own"


@dataclass(frozen=True, kw_only=True)
class Speed(SoundCopies):
    """Adds copies of each record that has sound, faster or slower; the times of cues move with it.

    factor: lowest and highest; 1.1 is a tenth faster.
    keep_pitch: stretch the time alone (phase vocoder of librosa), in the place of playing the
        sound faster, whose pitch goes up with it (Ko et al. 2015).
    copies: number of copies.

    A record with a film or a series beside the sound gets no copy, and is counted: they would no
    longer belong together. Stages that look at what was measured over time leave a copy as it is.
    """

    factor: tuple[float, float] = (0.9, 1.1)
    keep_pitch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0.25, 4.0)

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        factor = draw(rng, self.factor, 4)
        return [Step("speed", {"factor": factor, "keep_pitch": self.keep_pitch})]

    def with_drawn(self, record: Record, steps: Sequence[Step]) -> Record:
        faster = super().with_drawn(record, steps)
        pace = float(np.prod([step.pace for step in steps]))
        moved = {
            name: replace(
                part,
                cues=tuple(
                    Cue(cue.start_s / pace, cue.end_s / pace, cue.text) for cue in part.cues
                ),
            )
            for name, part in faster.parts.items()
            if part.cues
        }
        return replace(faster, parts={**faster.parts, **moved})

    def why_not(self, record: Record) -> str:
        kinds = {part.modality for part in record.parts.values()}
        return _BESIDE if kinds.intersection(timed()) - {AUDIO} else ""
