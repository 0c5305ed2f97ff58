"""The physical ceiling: the decoder (or the copy) alone in a tight loop over bytes in memory, in one process a core, into one reused batch.

``bytes``: one pread a sample at known places. ``features``: rows of the memory map copied out by batches, shuffled.
Without the start of the processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _task import BATCH, DECODERS
from modalmill.stages.stream.draws import draws_of, epoch_key
from modalmill.stages.stream.index import Index
from modalmill.stages.stream.opening import open_stream
from with_modalmill import IMAGE, NORMAL, SOUND, VIDEO

PARTS = {"images": ("images", "image", IMAGE), "normalised": ("images", "image", NORMAL), "users": ("images", "image", None)}
PARTS |= {"sound": ("sound", "audio", SOUND), "frames": ("frames", "video", VIDEO), "clips": ("clips", "video", VIDEO)}


def index_of(folder: Path, name: str) -> Index:
    """The index of a benchmark's shards."""
    return open_stream(folder / name if name == "clips" else folder / name / "out" / "shards", shuffle=False, workers=0).index


def share(folder: Path, kind: str, start: int, step: int) -> tuple[float, float, int]:
    """Read every ``step``-th sample; when this began and ended, and how many there were."""
    if kind == "features":
        rows = np.load(folder / "vectors.npy", mmap_mode="r")
        order = np.random.default_rng(start).permutation(len(rows))[start::step]
        began = time.monotonic()
        for at in range(0, len(order), BATCH):
            rows[order[at : at + BATCH]]
        return began, time.monotonic(), len(order)
    if kind == "bytes":
        index = index_of(folder, "images")
        spans, paths = index.spans["image"], sorted((folder / "images" / "out" / "shards").glob("*.tar"))
        files = [os.open(path, os.O_RDONLY) for path in paths]
        tars = index.tar
        order = np.random.default_rng(start).permutation(len(index))[start::step]
        began = time.monotonic()
        for row, (offset, size) in zip(order.tolist(), spans[order].tolist(), strict=True):
            os.pread(files[tars[row]], size, offset)
        return began, time.monotonic(), len(order)
    name, part, spec = PARTS[kind]
    index = index_of(folder, name)
    numbers = [row for row in range(start, len(index), step) if index.spans[part][row, 1] >= 0]
    pieces = [bytes(index.read(part, row)) for row in numbers]
    shape, dtype = ((3, 224, 224), "float32") if spec is None else spec.layout()
    batch: Any = np.zeros((BATCH, *shape), dtype)
    began = time.monotonic()
    for number, (data, draws) in enumerate(zip(pieces, draws_of(epoch_key(7, 0), np.arange(len(pieces))), strict=True)):
        if spec is None:
            batch[number % BATCH] = DECODERS[kind](data)
        else:
            spec.fill(data, batch[number % BATCH], draws)
    return began, time.monotonic(), len(pieces)


def main() -> None:
    kind, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        spans = pool.starmap(share, [(folder, kind, start, count) for start in range(count)], chunksize=1)
    seconds = max(end for _, end, _ in spans) - min(began for began, _, _ in spans)
    samples = sum(count for _, _, count in spans)
    print(json.dumps({"rate": samples / seconds, "later": samples / seconds, "last_epoch": samples / seconds, "first_s": 0.0, "samples": samples}))


if __name__ == "__main__":
    main()
