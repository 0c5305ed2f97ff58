"""Copies of recordings from which low or high frequencies are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...schemas.json_value import JsonValue
from ...schemas.record import Step
from ._drawing import check_range, draw
from ._sounds import SoundCopies

_LOWEST_HZ, _HIGHEST_HZ = 1.0, 400_000.0


@dataclass(frozen=True, kw_only=True)
class Filter(SoundCopies):
    """Adds copies of each record that has sound, without what lies below a drawn frequency, above
    one, or both. Nothing moves in time: the filter goes over the sound in both directions.

    highpass_hz: lowest and highest frequency below which nothing is left.
    lowpass_hz: the same of those above which nothing is left; ``[3400, 3400]`` beside
        ``highpass_hz: [300, 300]`` is a telephone.
    copies: number of copies.

    At the frequency itself the level is 6 dB down, at twice (half) of it 24 dB (Butterworth, of the
    second order, twice). A frequency above half the rate of a sound takes nothing from it.
    """

    highpass_hz: tuple[float, float] | None = None
    lowpass_hz: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.highpass_hz is None and self.lowpass_hz is None:
            raise ValueError("highpass_hz, lowpass_hz: wanted one of them, or both")
        for option in ("highpass_hz", "lowpass_hz"):
            if (found := getattr(self, option)) is not None:
                check_range(option, found, _LOWEST_HZ, _HIGHEST_HZ)
        if (
            self.highpass_hz is not None
            and self.lowpass_hz is not None
            and self.highpass_hz[1] >= self.lowpass_hz[0]
        ):
            raise ValueError(
                "highpass_hz, lowpass_hz: between them nothing would be left; wanted highpass_hz"
                f" below lowpass_hz, found {list(self.highpass_hz)} and {list(self.lowpass_hz)}"
            )

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        options: dict[str, JsonValue] = {
            option: draw(rng, between, 1)
            for option, between in (
                ("highpass_hz", self.highpass_hz),
                ("lowpass_hz", self.lowpass_hz),
            )
            if between is not None
        }
        return [Step("filter", options)]
