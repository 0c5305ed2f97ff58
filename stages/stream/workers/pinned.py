"""Slots in page-locked memory, from which a GPU copies while this process goes on."""

from __future__ import annotations

import torch

from .buffers import Layout, Slot

_TYPES = {
    "uint8": torch.uint8,
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
}


def pinned_slot(layout: Layout, number: int) -> Slot:
    """Arrays in page-locked memory of this process."""
    return Slot(
        layout,
        {
            name: torch.empty(shape, dtype=_TYPES[kind], pin_memory=True).numpy()
            for name, (shape, kind) in layout.items()
        },
        number,
    )
