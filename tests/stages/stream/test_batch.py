"""What a batch says of its records."""

from __future__ import annotations

from pathlib import Path

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
