"""litdata: chunks on this disk, read in place, shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import litdata
import numpy as np
from _task import BATCH, DECODERS, Epochs, main

CHUNK_BYTES = 8 << 20


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def row(entry: tuple[str, int]) -> np.ndarray:
    return np.array(np.load(entry[0], mmap_mode="r")[entry[1]])


def prepare(folder: Path) -> None:
    """Chunks of 8 MiB, so that every worker has its own."""
    options: dict[str, Any] = {
        "num_workers": 1,
        "reorder_files": False,
        "keep_data_ordered": True,
        "chunk_bytes": CHUNK_BYTES,
        "verbose": False,
    }
    paths = [str(path) for path in sorted((folder / "source").glob("*.jpg"))]
    litdata.optimize(
        fn=read, inputs=paths, output_dir=str(folder / "litdata" / "images"), **options
    )
    vectors = str(folder / "vectors.npy")
    rows = [(vectors, number) for number in range(len(np.load(vectors, mmap_mode="r")))]
    litdata.optimize(fn=row, inputs=rows, output_dir=str(folder / "litdata" / "vectors"), **options)


def same(batch: Any) -> Any:
    return batch


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists). Its workers do not persist: taking them down waits five
    seconds each.
    """
    place = folder / "litdata" / ("vectors" if kind == "features" else "images")
    transform = bytes if kind == "bytes" else DECODERS.get(kind)
    data = litdata.StreamingDataset(str(place), shuffle=True, transform=transform)
    more = {"collate_fn": same} if kind == "bytes" else {}
    loader = litdata.StreamingDataLoader(data, batch_size=BATCH, num_workers=workers, **more)
    return lambda: loader


if __name__ == "__main__":
    main(prepare, opened)
