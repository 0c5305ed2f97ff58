"""Noisy copies of sound: louder or softer, with white noise at a drawn signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ...schemas.record import Record, Step
from ._copies import DrawnCopies, copy_of, draw, with_step


@dataclass(frozen=True, kw_only=True)
class Noise(DrawnCopies):
    """Adds copies of each record that has sound, with gain and white noise.

    snr_db: lowest and highest signal-to-noise ratio in decibels.
    gain_db: lowest and highest gain in decibels.
    """

    snr_db: tuple[float, float] = (10.0, 30.0)
    gain_db: tuple[float, float] = (-6.0, 0.0)

    def copies_of(self, record: Record, rng: np.random.Generator) -> Iterable[Record]:
        sounds = [name for name, part in record.parts.items() if part.modality == "audio"]
        if not sounds:
            return ()
        copies = []
        for number in range(1, self.copies + 1):
            gain, ratio = (
                draw(rng, self.gain_db, 3),
                draw(rng, self.snr_db, 3),
            )
            seed = int(rng.integers(2**63))
            parts = dict(record.parts)
            for name in sounds:
                parts[name] = with_step(
                    with_step(parts[name], Step("gain", {"db": gain})),
                    Step("noise", {"snr_db": ratio, "seed": seed}),
                )
            copies.append(replace(copy_of(record, "noise", number), parts=parts))
        return copies
