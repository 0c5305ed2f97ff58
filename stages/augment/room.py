"""Copies of recordings as they would sound in a room."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...schemas.contents import Contents
from ...schemas.fingerprint import fingerprint
from ...schemas.record import Record, Step
from ._drawing import check_range, draw
from ._sounds import SoundCopies, hashes_of_files, mistakes_at, sounds_at


@dataclass(frozen=True, kw_only=True)
class Room(SoundCopies):
    """Adds copies of each record that has sound, with the reverberation of a room. The direct sound
    stays where it is in time, and nothing is added at the end.

    path: a file or a folder of impulse responses of rooms, from where the command is given, of
        which one is drawn; without it the response is made: the direct sound, and after it white
        noise that decays exponentially (Polack 1988).
    decay_s: lowest and highest reverberation time (RT60: by 60 dB) of a made response.
    direct_db: lowest and highest level of the direct sound against the reverberation, of a made
        response.
    copies: number of copies.
    """

    path: Path | None = None
    decay_s: tuple[float, float] = (0.2, 0.8)
    direct_db: tuple[float, float] = (0.0, 10.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("decay_s", self.decay_s, 0.01, 20.0)
        check_range("direct_db", self.direct_db, -40.0, 60.0)

    def identity(self) -> str:
        return fingerprint(super().identity(), self._responses)

    def mistakes(self, here: Contents) -> list[str]:
        lines = super().mistakes(here)
        if self.path is None:
            return lines
        lines += mistakes_at("path", self.path)
        if 0 < len(self._responses) < self.copies:
            lines.append(
                f"copies: {self.copies} of each record, and at {self.path} there are no more than"
                f" {len(self._responses)} responses"
            )
        return lines

    def drawn(self, rng: np.random.Generator) -> Sequence[Step]:
        seed = int(rng.integers(2**63))
        decay, direct = draw(rng, self.decay_s, 3), draw(rng, self.direct_db, 3)
        return [Step("reverb", {"decay_s": decay, "direct_db": direct, "seed": seed})]

    def changed_for(self, record: Record, number: int, seed: int) -> Record:
        if self.path is None:
            return super().changed_for(record, number, seed)
        # in an order of the record's own, so that no two of its copies are in one room
        order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(self._responses))
        name = list(self._responses)[order[(number - 1) % len(order)]]
        return self.with_drawn(
            record, [Step("response", {"path": name, "hash": self._responses[name]})]
        )

    @functools.cached_property
    def _responses(self) -> dict[str, str]:
        return dict(hashes_of_files(sounds_at(self.path))) if self.path is not None else {}
