"""Copies of recordings of which bands of frequency and spans of time are masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...schemas.record import Step
from ..media.spectrum import hz_to_mel, mel_to_hz
from ._drawing import check_range, draw
from ._sounds import SoundCopies

_HIGHEST_HZ, _LONGEST_S = 400_000.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class SpecAugment(SoundCopies):
    """Adds copies of each record that has sound, with bands of frequency and spans of time silenced
    (SpecAugment, Park et al. 2019). They are taken out of the sound itself: whatever spectrogram a
    model makes of it has the masks. Nothing moves in time.

    bands: how many bands of frequency.
    band: lowest and highest width of one, as a share of the mel range (F of the paper: 27 of 80
        channels are 0.34).
    to_hz: where the mel range ends, which begins at 0 Hz; half the rate at which a model reads
        sound.
    spans: how many spans of time.
    span_s: lowest and highest length of one in seconds (T of the paper: 100 frames of 10 ms are a
        second).
    most: the largest share of a recording that one span takes, however long it was drawn (p of the
        paper).
    copies: number of copies.

    The sound is not warped in time: the paper finds little in it, and ``augment.speed`` does more.
    What is masked is silent, where the paper puts the mean of a normalised spectrogram.
    """

    word = "masked"

    bands: int = 2
    band: tuple[float, float] = (0.0, 0.34)
    to_hz: float = 8000.0
    spans: int = 2
    span_s: tuple[float, float] = (0.0, 1.0)
    most: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("bands", "spans"):
            if (found := getattr(self, option)) < 0:
                raise ValueError(f"{option}: wanted 0 or more, found {found}")
        check_range("band", self.band, 0.0, 1.0)
        check_range("span_s", self.span_s, 0.0, _LONGEST_S)
        if not 0 < self.to_hz <= _HIGHEST_HZ:
            raise ValueError(
                f"to_hz: wanted hertz above 0, {_HIGHEST_HZ:g} at most, found {self.to_hz}"
            )
        if not 0 < self.most <= 1:
            raise ValueError(f"most: wanted a share above 0, 1 at most, found {self.most}")
        if not (self.bands and self.band[1]) and not (self.spans and self.span_s[1]):
            raise ValueError("bands, spans: wanted one of them at least, wider than 0")

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        bands = [self._band(rng) for _ in range(self.bands)]
        # where it begins is a share of what it leaves of a recording, whose length is not known yet
        spans = [[draw(rng, self.span_s, 3), draw(rng, (0.0, 1.0), 4)] for _ in range(self.spans)]
        return [Step("mask", {"bands": bands, "spans": spans, "most": self.most})]

    def _band(self, rng: np.random.Generator) -> list[float]:
        """Where a band begins and ends, in hertz."""
        width = rng.uniform(*self.band)
        low = rng.uniform(0.0, 1.0 - width)
        mels = np.array([low, low + width]) * hz_to_mel(np.array(self.to_hz))
        return [round(float(hertz), 1) for hertz in mel_to_hz(mels)]
