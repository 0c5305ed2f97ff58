"""What the model sees: tensors of one batch with a mask of what is there.

Shape letters: B batch, M modality (part), T time or tokens, D feature, H height, W width, C channel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class FusionBatch:
    """One batch. ``names`` gives the parts in the order of ``present_BM``'s columns.

    parts: images ``uint8 [B, H, W, C]``, video ``uint8 [B, T, H, W, C]``, sound ``float32 [B, T]``, token ids ``int64 [B, T]``, features ``[B, D]``;
    zeros where a part is absent.
    lengths: for sound and tokens, how many of T are real ``[B]``.
    texts: texts that have no tokeniser, None where absent.
    present_BM: True where the part is there. weight_B: 0 for rows that only pad the batch.

    The tensors are views of reused buffers, which are reused only when nobody holds them any more: keep what you like.
    """

    names: tuple[str, ...]
    keys: list[str]
    parts: dict[str, Tensor]
    lengths: dict[str, Tensor]
    texts: dict[str, list[str | None]]
    present_BM: Tensor
    weight_B: Tensor
    raw_targets: list[str]

    def __len__(self) -> int:
        return len(self.keys)

    def targets(self) -> list[dict[str, Any]]:
        """The targets of each row."""
        return [json.loads(text) for text in self.raw_targets]

    def to(self, device: torch.device | str) -> FusionBatch:
        """The batch with its tensors on a device, copied without waiting where their memory is pinned."""
        moved = replace(
            self,
            parts={name: tensor.to(device, non_blocking=True) for name, tensor in self.parts.items()},
            lengths={name: tensor.to(device, non_blocking=True) for name, tensor in self.lengths.items()},
            present_BM=self.present_BM.to(device, non_blocking=True),
            weight_B=self.weight_B.to(device, non_blocking=True),
        )
        if torch.device(device).type == "cuda":
            _hold_until_copied(self)
        return moved

    def without(self, absent: Tensor) -> FusionBatch:
        """The batch with more parts hidden: ``absent`` is bool ``[B, M]`` (or ``[M]``); contents stay, presence goes."""
        return replace(self, present_BM=self.present_BM & ~absent)


_copying: list[tuple[torch.cuda.Event, FusionBatch]] = []


def _hold_until_copied(batch: FusionBatch) -> None:
    """Keep a batch, and so its reused buffers, from being filled again while the device still copies from it."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    event.record()
    _copying[:] = [entry for entry in _copying if not entry[0].query()]  # type: ignore[no-untyped-call]  # the same
    _copying.append((event, batch))
