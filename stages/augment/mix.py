"""Copies of recordings with other sounds mixed in."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...schemas.contents import Contents
from ...schemas.fingerprint import fingerprint
from ...schemas.record import Step
from ._drawing import check_range, draw
from ._sounds import SoundCopies, hashes_of_files, mistakes_at, sounds_at


@dataclass(frozen=True, kw_only=True)
class Mix(SoundCopies):
    """Adds copies of each record that has sound, with a sound of yours beneath it: noise, music, a
    crowd. Nothing moves in time.

    path: a file or a folder of sounds, from where the command is given; one is drawn for each copy,
        and where in it to begin. What is shorter than the recording is repeated.
    snr_db: lowest and highest level of the recording above what is mixed in. Pauses do not count:
        the level of either is that of its 20 ms that are no more than 40 dB below its loud ones
        (95th percentile).
    copies: number of copies.
    """

    path: Path
    snr_db: tuple[float, float] = (5.0, 20.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("snr_db", self.snr_db, -60.0, 120.0)

    def identity(self) -> str:
        return fingerprint(super().identity(), self._sounds)

    def mistakes(self, here: Contents) -> list[str]:
        return [*super().mistakes(here), *mistakes_at("path", self.path)]

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        name = list(self._sounds)[int(rng.integers(len(self._sounds)))]
        options = {"path": name, "hash": self._sounds[name]}
        ratio, begin = draw(rng, self.snr_db, 3), draw(rng, (0.0, 1.0), 6)
        return [Step("mix", {**options, "snr_db": ratio, "begin": begin})]

    @functools.cached_property
    def _sounds(self) -> dict[str, str]:
        return dict(hashes_of_files(sounds_at(self.path)))
