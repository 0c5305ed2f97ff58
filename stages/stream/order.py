"""The order of an epoch: a pure function of seed, epoch and number of records, the same for any number of ranks and workers.

global order    k7 k2 k9 k4 | k1 k8 k0 k3 | k5 k6          batch_size = 4 over all ranks
rank 0 of 2     k7 k2       | k1 k8       | k5 pad         each rank takes its slice of every global batch
rank 1 of 2           k9 k4 |       k0 k3 |    k6 pad
"""

from __future__ import annotations

import numpy as np

from ...schemas.fingerprint import random_for

PAD = -1


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """Record numbers ``int64 [count]`` in the order of this epoch."""
    if not shuffle:
        return np.arange(count)
    return random_for(seed, "order", str(epoch)).permutation(count)


def batch_count(count: int, batch_size: int, drop_last: bool) -> int:
    """Number of global batches of an epoch."""
    return count // batch_size if drop_last else -(-count // batch_size)


def rank_rows(order: np.ndarray, batch: int, batch_size: int, rank: int, world: int) -> np.ndarray:
    """The record numbers of a rank's slice of a global batch, all ranks' slices equally long, filled up with ``PAD``."""
    rows = order[batch * batch_size : (batch + 1) * batch_size]
    share = -(-batch_size // world) if len(rows) == batch_size else -(-len(rows) // world)
    mine = rows[rank * share : (rank + 1) * share]
    return mine if len(mine) == share else np.concatenate([mine, np.full(share - len(mine), PAD)])
