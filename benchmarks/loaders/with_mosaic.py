"""mosaicml-streaming: MDS shards on this disk, torch's DataLoader, shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _task import BATCH, DECODERS, DIMS, Epochs, main
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader


def prepare(folder: Path) -> None:
    """Shards of 64 MiB, neither compressed nor hashed."""
    with MDSWriter(
        out=str(folder / "mosaic" / "images"), columns={"jpg": "bytes"}, size_limit=1 << 26
    ) as writer:
        for path in sorted((folder / "source").glob("*.jpg")):
            writer.write({"jpg": path.read_bytes()})
    with MDSWriter(
        out=str(folder / "mosaic" / "vectors"),
        columns={"x": f"ndarray:float16:{DIMS}"},
        size_limit=1 << 26,
    ) as writer:
        for row in np.load(folder / "vectors.npy"):
            writer.write({"x": row})


class Images(StreamingDataset):  # type: ignore[misc]
    def __init__(self, decode: Any, **options: Any) -> None:
        super().__init__(**options)
        self.decode = decode

    def __getitem__(self, row: int) -> Any:
        data = super().__getitem__(row)["jpg"]
        return data if self.decode is None else self.decode(data)


class Vectors(StreamingDataset):  # type: ignore[misc]
    def __getitem__(self, row: int) -> Any:
        return super().__getitem__(row)["x"]


def same(batch: Any) -> Any:
    return batch


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists)."""
    clean_stale_shared_memory()
    place = str(folder / "mosaic" / ("vectors" if kind == "features" else "images"))
    options: dict[str, Any] = {
        "local": place,
        "shuffle": True,
        "batch_size": BATCH,
        "num_canonical_nodes": 1,
    }
    data = Vectors(**options) if kind == "features" else Images(DECODERS.get(kind), **options)
    more = {"collate_fn": same} if kind == "bytes" else {}
    loader = DataLoader(
        data, batch_size=BATCH, num_workers=workers, persistent_workers=workers > 0, **more
    )
    return lambda: loader


if __name__ == "__main__":
    main(prepare, opened)
