"""webdataset: its own tars of the same files, read in order, which is the cheapest for it;
``users`` shuffles 1,000 as its pages show.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset
from _task import BATCH, DECODERS, Epochs, main

SHARDS = 16


def prepare(folder: Path) -> None:
    """Tars of the pictures and of the vectors."""
    target = folder / "webdataset"
    target.mkdir()
    paths = sorted((folder / "source").glob("*.jpg"))
    for number in range(SHARDS):
        with webdataset.TarWriter(str(target / f"images-{number:06d}.tar")) as tar:
            for path in paths[number::SHARDS]:
                tar.write({"__key__": path.stem, "jpg": path.read_bytes()})
    vectors = np.load(folder / "vectors.npy")
    for number in range(SHARDS):
        with webdataset.TarWriter(str(target / f"vectors-{number:06d}.tar")) as tar:
            for row in range(number, len(vectors), SHARDS):
                tar.write({"__key__": f"{row:06d}", "npy": vectors[row]})


def image(decode: Any, sample: dict[str, bytes]) -> tuple[torch.Tensor]:
    return (torch.from_numpy(decode(sample["jpg"])),)


def raw(sample: dict[str, bytes]) -> bytes:
    return sample["jpg"]


def vector(sample: dict[str, bytes]) -> tuple[torch.Tensor]:
    return (torch.from_numpy(np.load(io.BytesIO(sample["npy"]), allow_pickle=False)),)


def spec(
    found: Any, endings: tuple[str, ...], sample: dict[str, bytes]
) -> tuple[torch.Tensor, ...]:
    """By modalmill's own decoder, so that both sides decode alike."""
    shape, kind = found.layout()
    out = np.empty(shape, kind)
    found.fill(next(sample[ending] for ending in endings if ending in sample), out)
    return (torch.from_numpy(out),)


def mixed(parts: Any, sample: dict[str, bytes]) -> tuple[Any, ...]:
    """Image, sound, and which of them are there, zeros where not; the text as it is."""
    made: list[Any] = []
    for ending, found in parts:
        shape, kind = found.layout()
        out = np.zeros(shape, kind)
        if ending in sample:
            found.fill(sample[ending], out)
        made += [torch.from_numpy(out), ending in sample]
    return (*made, sample["txt"].decode())


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """Batches as tensors (bytes: as lists)."""
    place = {
        "features": "webdataset/vectors-*.tar",
        "sound": "sound/out/shards/*.tar",
        "frames": "frames/out/shards/*.tar",
    }
    place |= {"clips": "clips/*.tar", "mixed": "mixed/out/shards/*.tar"}
    paths = sorted(str(path) for path in folder.glob(place.get(kind, "webdataset/images-*.tar")))
    data = webdataset.WebDataset(
        paths, shardshuffle=len(paths) if kind == "users" else False, empty_check=False
    )
    if kind == "users":
        data = data.shuffle(1000)
    if kind == "bytes":
        data = data.map(raw).batched(BATCH, collation_fn=None)
    elif kind == "features":
        data = data.map(vector).batched(BATCH)
    elif kind == "mixed":
        from with_modalmill import IMAGE, SOUND

        data = data.map(partial(mixed, (("jpg", IMAGE), ("wav", SOUND)))).batched(BATCH)
    elif kind in DECODERS:
        data = data.map(partial(image, DECODERS[kind])).batched(BATCH)
    else:
        from with_modalmill import SOUND, VIDEO

        data = data.map(
            partial(spec, SOUND if kind == "sound" else VIDEO, ("wav", "flac", "mp4"))
        ).batched(BATCH)
    loader = webdataset.WebLoader(
        data, batch_size=None, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda: (batch if kind == "bytes" else batch[0] for batch in loader)


if __name__ == "__main__":
    main(prepare, opened)
