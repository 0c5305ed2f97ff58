"""Noisy copies of sound: louder or softer, with white noise at a drawn signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ._drawing import check_range, draw
from ._sounds import SoundCopies


@dataclass(frozen=True, kw_only=True)
class Noise(SoundCopies):
    """Adds copies of each record that has sound, with gain and white noise.

    snr_db: lowest and highest signal-to-noise ratio in decibels.
    gain_db: lowest and highest gain in decibels.
    copies: number of copies.
    """

    snr_db: tuple[float, float] = (10.0, 30.0)
    gain_db: tuple[float, float] = (-6.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("gain_db", self.gain_db, -60.0, 60.0)
        check_range("snr_db", self.snr_db, -60.0, 120.0)

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        gain, ratio = draw(rng, self.gain_db, 3), draw(rng, self.snr_db, 3)
        seed = int(rng.integers(2**63))
        return [Step("gain", {"db": gain}), Step("noise", {"snr_db": ratio, "seed": seed})]
