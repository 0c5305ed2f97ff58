"""Hidden parts, in training (modality dropout) and as simulated absence: which ones is a pure
function of seed, key and part.

A part is absent if a hash of (seed, key, part), read as a number in [0, 1), is below the rate. So
it does not depend on order, workers or devices, there is no table to go stale, and what is absent
at a lower rate is absent at a higher one. Of a record's parts at least one stays: that with the
largest number. Only what is there can be hidden; real absence is never undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from ....schemas.fingerprint import uniform_for
from ...stream import FusionBatch

# rates of the two halves where absence depends on a value: .8 and .2 at a rate of .5
HIGH, LOW = 1.6, 0.4


def table(seed: int, keys: Sequence[str], parts: Sequence[str], *words: str) -> np.ndarray:
    """The number of every part of every record ``float64 [B, M]``. words: what it is for,
    ``absence`` where nothing is said.
    """
    words = words or ("absence",)
    return np.array(
        [[uniform_for(seed, *words, key, part) for part in parts] for key in keys]
    ).reshape(len(keys), len(parts))


def shown_in_training(batch: FusionBatch, share: float, seed: int, epoch: int) -> torch.Tensor:
    """Which parts of a batch training shows ``bool [B, M]``: about ``share`` of the present ones
    are hidden, others in each epoch.
    """
    if share == 0:
        return batch.present_BM
    numbers_BM = table(seed, batch.keys, batch.names, "modality_dropout", str(epoch))
    return torch.from_numpy(shown(numbers_BM, batch.present_BM.numpy(), share))


def shown(table_BM: np.ndarray, there_BM: np.ndarray, rate_B: np.ndarray | float) -> np.ndarray:
    """Which parts stay ``bool [B, M]``, at a rate for all rows or one a row."""
    # below any number that is drawn: an absent part is never the one that stays
    numbers = np.where(there_BM, table_BM, -1.0)
    kept = there_BM & (numbers >= np.broadcast_to(rate_B, len(numbers))[:, None])
    last = there_BM & (numbers == numbers.max(1, keepdims=True))
    return np.asarray(np.where(kept.any(1, keepdims=True), kept, last))


def high_half(seed: int, values: Iterable[str]) -> frozenset[str]:
    """The half of the distinct values (of two, one) whose rows lose more."""
    ordered = sorted(set(values), key=lambda value: uniform_for(seed, "half", value))
    return frozenset(ordered[: (len(ordered) + 1) // 2])


def rates_by(values: Sequence[str], high: frozenset[str], rate: float) -> np.ndarray:
    """A rate for each row that depends on its value: 1.6 times the rate for those in ``high``, .4
    times for the others ``[B]``.

    Values are classes (absence that is not at random, MNAR) or a field (at random given the field,
    MAR; Rubin 1976).
    """
    return np.array([min(1.0, rate * (HIGH if value in high else LOW)) for value in values])
