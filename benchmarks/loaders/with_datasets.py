"""Hugging Face datasets: Arrow files by save_to_disk, torch's DataLoader, shuffled (map style)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from _task import BATCH, DECODERS, DIMS, Epochs, main
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, default_collate


def files(folder: str) -> Iterator[dict[str, bytes]]:
    for path in sorted(Path(folder).glob("*.jpg")):
        yield {"jpg": path.read_bytes()}


def rows(path: str) -> Iterator[dict[str, np.ndarray]]:
    for row in np.load(path):
        yield {"x": row}


def prepare(folder: Path) -> None:
    """Sixteen Arrow files of each."""
    cache = str(folder / "datasets" / "cache")
    pictures = datasets.Dataset.from_generator(
        files,
        gen_kwargs={"folder": str(folder / "source")},
        cache_dir=cache,
        features=datasets.Features({"jpg": datasets.Value("binary")}),
    )
    pictures.save_to_disk(str(folder / "datasets" / "images"), num_shards=16)
    kind = datasets.Features({"x": datasets.List(datasets.Value("float16"), length=DIMS)})
    vectors = datasets.Dataset.from_generator(
        rows, gen_kwargs={"path": str(folder / "vectors.npy")}, cache_dir=cache, features=kind
    )
    vectors.save_to_disk(str(folder / "datasets" / "vectors"), num_shards=16)


def decoded(decode: Any, batch: dict[str, Any]) -> dict[str, Any]:
    return {"image": [decode(data) for data in batch["jpg"]]}


def images(batch: list[dict[str, Any]]) -> Any:
    return default_collate([entry["image"] for entry in batch])


def raw(batch: list[dict[str, Any]]) -> Any:
    return [entry["jpg"] for entry in batch]


def vectors(batch: dict[str, Any]) -> Any:
    return batch["x"]


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists); vectors a whole batch a look-up."""
    data = datasets.load_from_disk(
        str(folder / "datasets" / ("vectors" if kind == "features" else "images"))
    )
    more: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    if kind == "features":
        data = data.with_format("torch", dtype=torch.float16)
        sampler = BatchSampler(RandomSampler(data), BATCH, False)
        loader = DataLoader(data, sampler=sampler, batch_size=None, collate_fn=vectors, **more)
    elif kind == "bytes":
        loader = DataLoader(data, batch_size=BATCH, shuffle=True, collate_fn=raw, **more)
    else:
        data = data.with_transform(partial(decoded, DECODERS[kind]))
        loader = DataLoader(data, batch_size=BATCH, shuffle=True, collate_fn=images, **more)
    return lambda: loader


if __name__ == "__main__":
    main(prepare, opened)
