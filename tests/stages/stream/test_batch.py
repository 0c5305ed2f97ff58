"""What a batch says of its records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from modalmill.stages import stream
from streams import MIXED_PARTS


def test_presence_is_what_the_records_have_and_absent_rows_are_zero(mixed_shards: Path) -> None:
    seen = 0
    for batch in stream.open(
        mixed_shards, batch_size=4, parts=MIXED_PARTS, shuffle=True, drop_last=False
    ):
        for row, key in enumerate(batch.keys):
            seen += 1
            present = dict(zip(batch.names, batch.present_BM[row].tolist(), strict=True))
            source = key.partition("-")[0]
            assert present == {
                "image": source == "vqa",
                "question": source == "vqa",
                "voice": source == "clips" and key != "clips-c",
                "video": source == "clips",
            }
            for name, here in present.items():
                assert bool(batch.parts[name][row].any()) == here
    assert seen == 14 + 3 + 3


def test_stream_and_batch_read_as_what_they_hold(mixed_shards: Path) -> None:
    parts = {"image": stream.ImageSpec(size=16), "question": stream.TextSpec()}
    batches = stream.open(
        mixed_shards, batch_size=16, parts=parts, shuffle=False, drop_last=False, seed=5
    )
    assert repr(batches) == (
        "Stream(20 records, 16 a batch; image ImageSpec, question TextSpec; seed 5, at epoch 0)"
    )
    first = next(iter(batches))
    images, questions = first.present_BM.sum(0).tolist()
    assert 0 < images < 16
    what = f"image uint8 [16, 16, 16, 3] in {images}; question list in {questions}"
    assert repr(first) == f"FusionBatch(16 rows; {what})"
    padded = replace(first, weight_B=torch.arange(16).clamp(max=1))
    assert repr(padded) == f"FusionBatch(16 rows, 1 of them padding; {what})"
