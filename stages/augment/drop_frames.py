"""Copies of films of which some frames are not shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schemas.record import Record, Step
from ..copies import DrawnCopies
from ..modality import modality
from ._drawing import check_range, draw, with_steps


@dataclass(frozen=True, kw_only=True)
class DropFrames(DrawnCopies):
    """Adds copies of each record that has a film, in which a share of the frames is not shown: in
    the place of each the one before it stays, as where a camera or a network was too slow.

    share: lowest and highest share of the frames that are taken of a film (``video_frames`` in a
        shard), rounded up to a frame.
    copies: number of copies.

    All films of a record lose the same frames where as many are taken of each. Times stay as they
    are, and with them sound and words.
    """

    share: tuple[float, float] = (0.1, 0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("share", self.share, 0.0, 0.9)

    def takes_kind(self, kind: str) -> bool:
        return modality(kind).timed and modality(kind).has_pixels

    def changed(self, record: Record, rng: np.random.Generator) -> Record:
        options = {"share": draw(rng, self.share, 4), "seed": int(rng.integers(2**63))}
        return with_steps(record, self._films(record), [Step("drop_frames", options)])

    def _films(self, record: Record) -> list[str]:
        """The names of the parts that are frames over time."""
        return [name for name, part in record.parts.items() if self.takes_kind(part.modality)]
