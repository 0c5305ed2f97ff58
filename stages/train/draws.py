"""What is drawn for a record while it is trained on: which of its parts are hidden, what it is mixed with. All of it depends on its key alone."""

from __future__ import annotations

import torch

from ...schemas.fingerprint import uniform_for
from ..stream import FusionBatch


def shown(batch: FusionBatch, share: float, seed: int, epoch: int) -> torch.Tensor:
    """Which parts training shows ``[B, M]``: about ``share`` of the present ones are hidden, never all of a row's.

    Which ones is a function of seed, epoch, key and part alone, so that it is the same for any number of workers and ranks. If
    the draw would hide every part of a row, the one with the largest draw stays.
    """
    if share == 0:
        return batch.present_BM
    draw_BM = torch.tensor([[uniform_for(seed, "modality_dropout", str(epoch), key, name) for name in batch.names] for key in batch.keys])
    draw_BM = torch.where(batch.present_BM, draw_BM, torch.tensor(-1.0))
    hidden_BM = draw_BM < share
    best_BM = draw_BM == draw_BM.max(1, keepdim=True).values
    hidden_BM &= ~(best_BM & batch.present_BM)
    return batch.present_BM & ~hidden_BM


def mixing(batch: FusionBatch, seed: int, epoch: int) -> torch.Tensor:
    """A number in [0, 1) for each row, of seed, epoch and key alone: what mixing of records draws from ``float64 [B]``."""
    return torch.tensor([uniform_for(seed, "mixing", str(epoch), key) for key in batch.keys], dtype=torch.float64)


def record_numbers(batch: FusionBatch) -> torch.Tensor:
    """A number for each record that depends on its key alone ``int64 [B]``."""
    return torch.tensor([int(uniform_for(0, "record", key) * 2**53) for key in batch.keys])
