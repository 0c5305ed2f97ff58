"""Buffers are used again when their batches are let go, and never before."""

from __future__ import annotations

from pathlib import Path

import torch
from modalmill.stages import stream


def test_batches_that_are_kept_are_never_written_over(vqa_shards: Path) -> None:
    some = stream.open(
        vqa_shards, batch_size=2, parts={"image": stream.ImageSpec(size=16)}, workers=2
    )
    kept = [(batch, batch.parts["image"].clone()) for _ in range(3) for batch in some]
    assert all(torch.equal(batch.parts["image"], copy) for batch, copy in kept)


def test_buffers_that_are_let_go_are_used_again(vqa_shards: Path) -> None:
    some = stream.open(
        vqa_shards, batch_size=2, parts={"image": stream.ImageSpec(size=16)}, workers=2
    )
    first = {batch.parts["image"].data_ptr() for _ in range(3) for batch in some}
    later = {batch.parts["image"].data_ptr() for _ in range(9) for batch in some}
    assert later <= first
