"""Random numbers of a stream: a function of seed, epoch and position in the epoch, whoever asks and
in whatever order.
"""

from __future__ import annotations

import numpy as np

from ....schemas.fingerprint import random_for
from ...spec import Draws
from .permutation import mix

_COLUMNS = 4


def epoch_key(seed: int, epoch: int) -> int:
    """The number that an epoch's draws come from."""
    return int(random_for(seed, "draws", str(epoch)).integers(0, 2**63))


def draws_of(key: int, positions: np.ndarray) -> list[Draws]:
    """The draws of these positions of an epoch."""
    return [
        Draws(four, key, position)
        for four, position in zip(
            uniform_of(key, positions).tolist(), positions.tolist(), strict=True
        )
    ]


def uniform_of(key: int, positions: np.ndarray) -> np.ndarray:
    """The four numbers in [0, 1) of each position ``float64 [N, 4]``."""
    # four counters of its own for each position: no two share a number
    places = positions.astype(np.uint64)[:, None] * np.uint64(_COLUMNS) + np.arange(
        _COLUMNS, dtype=np.uint64
    )
    # a float64 holds 53 bits: each of these is exact, and below 1
    uniform: np.ndarray = (mix(places, np.uint64(key)) >> np.uint64(11)) * 2.0**-53
    return uniform
