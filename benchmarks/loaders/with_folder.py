"""Plain files in a folder (vectors: one memory-mapped .npy file), torch's DataLoader, shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from _task import BATCH, DECODERS, Epochs, main
from torch.utils.data import DataLoader, Dataset


class Files(Dataset):  # type: ignore[type-arg]
    def __init__(self, folder: Path, decode: Any) -> None:
        self.paths = [str(path) for path in sorted(folder.glob("*.jpg"))]
        self.decode = decode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Any:
        with open(self.paths[row], "rb") as file:
            data = file.read()
        return data if self.decode is None else self.decode(data)


class Vectors(Dataset):  # type: ignore[type-arg]
    """A whole batch by one look-up (``__getitems__``)."""

    def __init__(self, path: Path) -> None:
        self.rows = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, rows: list[int]) -> torch.Tensor:
        return torch.from_numpy(self.rows[rows])


def same(batch: Any) -> Any:
    return batch


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists). Option "main": no workers."""
    count = 0 if option == "main" else workers
    options: dict[str, Any] = {
        "batch_size": BATCH,
        "num_workers": count,
        "shuffle": True,
        "persistent_workers": count > 0,
    }
    if kind == "features":
        loader = DataLoader(Vectors(folder / "vectors.npy"), collate_fn=same, **options)
    elif kind == "bytes":
        loader = DataLoader(Files(folder / "source", None), collate_fn=same, **options)
    else:
        loader = DataLoader(Files(folder / "source", DECODERS[kind]), **options)
    return lambda: loader


if __name__ == "__main__":
    main(lambda folder: None, opened)
