"""SPDL: files of a folder, shuffled; one task reads, decodes and collates a whole batch. Option
"native": its own decoder (FFmpeg).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _task import BATCH, CROP, DECODERS, Epochs, main
from spdl.pipeline import PipelineBuilder


class Source:
    """Lists of 64 entries, in an order of its own each epoch."""

    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[list[Any]]:
        entries = random.sample(self.entries, len(self.entries))
        for start in range(0, len(entries), BATCH):
            yield entries[start : start + BATCH]


def read(paths: list[str]) -> list[bytes]:
    return [Path(path).read_bytes() for path in paths]


def decode(one: Any, paths: list[str]) -> torch.Tensor:
    found = [one(Path(path).read_bytes()) for path in paths]
    out = torch.empty(
        (len(found), *found[0].shape),
        dtype=torch.uint8 if found[0].dtype == np.uint8 else torch.float32,
    )
    for place, value in zip(out.numpy(), found, strict=True):
        place[...] = value
    return out


def native(paths: list[str]) -> torch.Tensor:
    import spdl.io

    frames = []
    for path in paths:
        left, top = random.randint(0, 341 - CROP), random.randint(0, 256 - CROP)
        chain = f"crop={CROP}:{CROP}:{left}:{top},format=pix_fmts=rgb24"
        frames.append(spdl.io.decode_packets(spdl.io.demux_image(path), filter_desc=chain))
    return spdl.io.to_torch(spdl.io.convert_frames(frames))


def vectors(rows: np.ndarray, numbers: list[int]) -> torch.Tensor:
    return torch.from_numpy(rows[numbers])


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists)."""
    if kind == "features":
        rows = np.load(folder / "vectors.npy", mmap_mode="r")
        source, work = Source(list(range(len(rows)))), partial(vectors, rows)
    else:
        source = Source([str(path) for path in sorted((folder / "source").glob("*.jpg"))])
        work = (
            read
            if kind == "bytes"
            else native
            if option == "native"
            else partial(decode, DECODERS[kind])
        )

    def epoch() -> Iterator[Any]:
        builder = (
            PipelineBuilder()
            .add_source(source)
            .pipe(work, concurrency=workers, output_order="input")
            .add_sink(3)
        )
        pipeline = builder.build(num_threads=workers)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator(timeout=120)

    return epoch


if __name__ == "__main__":
    main(lambda folder: None, opened)
