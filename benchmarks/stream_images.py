"""Shards of 256-px JPEGs (341x256, q95, about 23 kB) to batches of 64 random 224-px crops.

All ways read the same shards, written by modalmill, from the page cache, each timed inside a fresh process from the first line after its
imports, opening the data and starting workers included, to the last batch. modalmill shuffles the whole epoch; webdataset reads in
order, which is the cheapest for it, except where users shuffle. "Ceiling": decoding and cropping into one reused batch, the bytes
already in memory, in one process a core, without its start.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from _common import (
    arguments,
    child,
    in_turn,
    made_once,
    modalmill,
    print_table,
    print_versions,
    read_all,
    use_cores,
    work_folder,
    write_jpegs,
    write_recipe,
)

BATCH, CROP = 64, 224
TITLES = {
    "modalmill": "modalmill.stages.stream, uint8",
    "same": "webdataset, simplejpeg, uint8",
    "users": "webdataset as users write it: shuffle(1000), cv2, float32",
    "ceiling": "ceiling: simplejpeg and crop",
}


def timed(batches: Iterable[int], began: float) -> None:
    """Print the time to the first batch and to the last, and how many images came in all and after the first batch."""
    first, total, head = 0.0, 0, 0
    for count in batches:
        total += count
        if not first:
            first, head = time.perf_counter() - began, count
    print(json.dumps({"first_s": first, "all_s": time.perf_counter() - began, "images": total, "after_first": total - head}))


def run_modalmill(shards: Path, cores: int) -> None:
    from modalmill.stages import stream

    def batches() -> Iterator[int]:
        for batch in stream.open(shards, batch_size=BATCH, parts={"image": stream.ImageSpec(size=CROP, crop="random")}, threads=cores):
            yield len(batch.parts["image"])

    began = time.perf_counter()
    timed(batches(), began)


def corner(height: int, width: int) -> tuple[int, int]:
    """Top and left of a random crop."""
    return random.randint(0, height - CROP), random.randint(0, width - CROP)


def crop_uint8(sample: dict[str, Any]) -> Any:
    """simplejpeg, uint8, height x width x 3."""
    import simplejpeg
    import torch

    pixels = simplejpeg.decode_jpeg(sample["jpg"])
    top, left = corner(*pixels.shape[:2])
    return (torch.from_numpy(pixels[top : top + CROP, left : left + CROP]),)


def crop_float32(sample: dict[str, Any]) -> Any:
    """OpenCV, blue-green-red turned round, normalised by the means and deviations of ImageNet, 3 x height x width."""
    import cv2
    import numpy as np
    import torch

    pixels = cv2.imdecode(np.frombuffer(sample["jpg"], np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    top, left = corner(*pixels.shape[:2])
    window = pixels[top : top + CROP, left : left + CROP].astype(np.float32) / 255
    window = (window - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return (torch.from_numpy(np.ascontiguousarray(window.transpose(2, 0, 1))),)


def run_webdataset(shards: Path, cores: int, crop: Callable[[dict[str, Any]], Any], shuffle: int = 0) -> None:
    import webdataset

    began = time.perf_counter()
    paths = sorted(str(path) for path in shards.glob("*.tar"))
    data = webdataset.WebDataset(paths, shardshuffle=shuffle and len(paths)).shuffle(shuffle).map(crop).batched(BATCH)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=cores)
    timed((len(batch[0]) for batch in loader), began)


def decode_share(shards: Path, start: int, step: int) -> tuple[float, float, int]:
    """Decode every ``step``-th image into one reused batch; when it began and ended, and how many there were."""
    import numpy as np
    import simplejpeg
    from modalmill.stages.stream.index import Index

    index = Index(shards, None)
    spans, files = index.spans["image"], [path.read_bytes() for path in index.paths]
    pieces = [files[index.shard[row]][spans[row, 0] : spans[row].sum()] for row in range(start, len(index), step)]
    batch = np.empty((BATCH, CROP, CROP, 3), np.uint8)
    began = time.monotonic()
    for number, data in enumerate(pieces):
        pixels = simplejpeg.decode_jpeg(data)
        top, left = corner(*pixels.shape[:2])
        batch[number % BATCH] = pixels[top : top + CROP, left : left + CROP]
    return began, time.monotonic(), len(pieces)


def run_ceiling(shards: Path, cores: int) -> None:
    with multiprocessing.Pool(cores) as pool:
        spans = pool.starmap(decode_share, [(shards, start, cores) for start in range(cores)], chunksize=1)
    seconds = max(end for _, end, _ in spans) - min(began for began, _, _ in spans)
    images = sum(count for _, _, count in spans)
    print(json.dumps({"first_s": 0.0, "all_s": seconds, "images": images, "after_first": images}))


def make_shards(folder: Path, count: int, cores: int) -> None:
    """Write pictures and let modalmill put them into eight shards, four for each of two workers."""
    (folder / "images").mkdir()
    write_jpegs(folder / "images", count, 341, 256, 95, 0.5)
    recipe = write_recipe(
        folder / "recipe.yaml",
        folder,
        {"photos": {"type": "image_folder", "path": "images"}},
        shard={"image_short_side": 256, "shard_bytes": max(10_000, count * 25_000 // (4 * cores))},
    )
    modalmill(recipe, folder / "out")


def main() -> None:
    parser = arguments(__doc__, "images", 8000)
    parser.add_argument("--shards", type=Path, help="of a child")
    options = parser.parse_args()
    if options.child:
        runs = {
            "modalmill": run_modalmill,
            "same": functools.partial(run_webdataset, crop=crop_uint8),
            "users": functools.partial(run_webdataset, crop=crop_float32, shuffle=1000),
            "ceiling": run_ceiling,
        }
        runs[options.child](options.shards, options.cores)
        return
    use_cores(options.cores)
    with work_folder(options.work) as work:
        folder = made_once(work / f"small-{options.size}", functools.partial(make_shards, count=options.size, cores=options.cores))
        shards = folder / "out" / "shards"
        read_all(shards)
        variants = {}
        for name in TITLES:
            variants[name] = functools.partial(child, __file__, name, "--shards", shards, "--cores", str(options.cores))
        found = in_turn(variants, options.repeats)
    rates = {name: figures["images"] / figures["all_s"] for name, figures in found.items()}
    later = {name: figures["after_first"] / (figures["all_s"] - figures["first_s"]) for name, figures in found.items()}
    rows = [
        [
            title,
            f"{rates[name]:.0f}",
            f"{later[name]:.0f}",
            f"{found[name]['first_s']:.2f}" if name != "ceiling" else "-",
            f"{rates['modalmill'] / rates[name]:.2f}",
            f"{later['modalmill'] / later[name]:.2f}",
        ]
        for name, title in TITLES.items()
    ]
    header = [
        f"{options.size} images",
        "images/s, epoch",
        "after the first batch",
        "first batch s",
        "modalmill / this",
        "after the first",
    ]
    print_table(header, rows)
    print_versions("torch", "webdataset", "simplejpeg", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    sys.exit(main())
