"""What is drawn for a record while it is trained on, by its key alone: what it is mixed with, which
records are the same.
"""

from __future__ import annotations

import torch

from ....schemas.fingerprint import uniform_for
from ...stream import FusionBatch


def mixing(batch: FusionBatch, seed: int, epoch: int) -> torch.Tensor:
    """A number in [0, 1) for each row, of seed, epoch and key alone: what mixing of records draws
    from ``float64 [B]``.
    """
    return torch.tensor(
        [uniform_for(seed, "mixing", str(epoch), key) for key in batch.keys], dtype=torch.float64
    )


def record_numbers(batch: FusionBatch) -> torch.Tensor:
    """A number for each record that depends on its key alone ``int64 [B]``."""
    return torch.tensor([int(uniform_for(0, "record", key) * 2**53) for key in batch.keys])
