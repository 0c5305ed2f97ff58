"""The physical ceiling: the decoder (or the copy) alone in a tight loop over bytes in memory, in
one process a core, into one reused batch.

``bytes``: one pread a sample at known places. ``features``: rows of the memory map copied out by
batches, shuffled. Without the start of the processes, after a warm-up.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _task import BATCH, DECODERS
from modalmill.stages.stream.opening import open_stream
from modalmill.stages.stream.order.draws import draws_of, epoch_key
from modalmill.stages.stream.shards.index import Index
from with_modalmill import IMAGE, NORMAL, SOUND, VIDEO

WARM_UP_S, SECONDS = 0.3, 2.0
PARTS = {
    "images": ("images", "image", IMAGE),
    "normalised": ("images", "image", NORMAL),
    "users": ("images", "image", None),
}
PARTS |= {
    "sound": ("sound", "audio", SOUND),
    "frames": ("frames", "video", VIDEO),
    "clips": ("clips", "video", VIDEO),
}


def index_of(folder: Path, name: str) -> Index:
    """The index of a benchmark's shards."""
    return open_stream(
        folder / name if name == "clips" else folder / name / "out" / "shards",
        shuffle=False,
        workers=0,
    ).index


def work(folder: Path, kind: str, start: int, step: int) -> tuple[Callable[[int], object], int]:
    """A function of the number of a sample (of a batch, for vectors), and how many there are for
    this process; all bytes are in memory.
    """
    if kind == "features":
        rows = np.load(folder / "vectors.npy", mmap_mode="r")
        order = np.random.default_rng(start).permutation(len(rows))[start::step]
        return lambda number: rows[order[number * BATCH : (number + 1) * BATCH]], len(
            order
        ) // BATCH
    if kind == "bytes":
        index = index_of(folder, "images")
        files = [
            os.open(path, os.O_RDONLY)
            for path in sorted((folder / "images" / "out" / "shards").glob("*.tar"))
        ]
        mine = np.random.default_rng(start).permutation(len(index))[start::step]
        places = list(
            zip(index.tar[mine].tolist(), *index.spans["image"][mine].T.tolist(), strict=True)
        )

        def read(number: int) -> bytes:
            tar, offset, size = places[number]
            return os.pread(files[tar], size, offset)

        return read, len(places)
    name, part, spec = PARTS[kind]
    index = index_of(folder, name)
    pieces = [
        bytes(index.read(part, row))
        for row in range(start, len(index), step)
        if index.spans[part][row, 1] >= 0
    ]
    if spec is None:
        batch: Any = np.zeros((BATCH, 3, 224, 224), np.float32)

        def users(number: int) -> None:
            batch[number % BATCH] = DECODERS[kind](pieces[number])

        return users, len(pieces)
    shape, dtype = spec.layout()
    batch = np.zeros((BATCH, *shape), dtype)
    draws = draws_of(epoch_key(7, 0), np.arange(len(pieces)))
    return lambda number: spec.fill(pieces[number], batch[number % BATCH], draws[number]), len(
        pieces
    )


def measure(folder: Path, kind: str, start: int, step: int, together: Any, results: Any) -> None:
    """Samples a second of this process, after a warm-up, while all others are at it too."""
    one, count = work(folder, kind, start, step)
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < WARM_UP_S:
        one(number % count)
        number += 1
    together.wait()
    done, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        for number in range(count):
            one(number)
        done += count
    results.put(done * (BATCH if kind == "features" else 1) / (time.monotonic() - began))


def main() -> None:
    kind, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(count), context.Queue()
    crew = [
        context.Process(target=measure, args=(folder, kind, start, count, together, results))
        for start in range(count)
    ]
    for process in crew:
        process.start()
    rate = sum(results.get(timeout=600) for _ in crew)
    for process in crew:
        process.join()
    print(json.dumps({"rate": rate, "later": rate, "last_epoch": rate, "first_s": 0.0}))


if __name__ == "__main__":
    main()
