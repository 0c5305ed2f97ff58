"""How many frames of a film are shown more than once, as where it was brought to a higher rate."""

from __future__ import annotations

import numpy as np

from .....schemas.quantity import share
from ....signal import Signal
from ..stretch import Stretch

_STILL, _MOVES = 0.5, 1.0  # grey levels, of the block that changes most
_MOST_COPIES = 4


def doubled(stretch: Stretch) -> float:
    """The share of frames that show the one before once more while the film moves: up to four
    copies of a picture between two that differ. 0.5 of a film of 12.5 pictures a second in 25, and
    nothing of a scene that stands still.
    """
    change = stretch.changes("change")
    if not len(change):
        return 0.0
    still = np.concatenate([[False], change < _STILL, [False]])
    moves = np.concatenate([[False], change >= _MOVES, [False]])
    edges = np.diff(still.astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1) + 1
    are_copies = (ends - begins <= _MOST_COPIES) & moves[begins - 1] & moves[ends]
    # where the span begins or ends among copies, one side says it
    at_an_end = (begins == 1) | (ends == len(still) - 1)
    are_copies |= (ends - begins <= _MOST_COPIES) & at_an_end & (moves[begins - 1] | moves[ends])
    return float((ends - begins)[are_copies].sum() / len(change))


DOUBLED = Signal(
    name="doubled",
    of="video",
    tracks=("time", "change"),
    gives={"doubled": share("share of frames that show the one before again while the film moves")},
    function=doubled,
)
