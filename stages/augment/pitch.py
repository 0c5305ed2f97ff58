"""Copies of recordings at another pitch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._sounds import SoundCopies


@dataclass(frozen=True, kw_only=True)
class Pitch(SoundCopies):
    """Adds copies of each record that has sound, higher or lower by some semitones (phase vocoder
    of librosa). Nothing moves in time.

    semitones: lowest and highest; 12 is an octave up.
    copies: number of copies.
    """

    semitones: tuple[float, float] = (-2.0, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("semitones", self.semitones, -24.0, 24.0)

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        return [Step("pitch", {"semitones": draw(rng, self.semitones, 3)})]
