"""50,000 cached vectors of 512 float16 numbers to batches of 64.

modalmill reads its Arrow feature cache beside its shards; webdataset reads .npy members of tars that its own TarWriter made, with two
DataLoader workers, and without any. Timed inside a fresh process from the first line after its imports to the last batch, files in
the page cache; the rates after the first batch leave out opening the files and starting the workers. "Memory map alone": slices of
64 rows in order, copied out of the map.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from _common import arguments, child, in_turn, made_once, modalmill, print_table, print_versions, read_all, use_cores, work_folder, write_recipe

BATCH, DIMS = 64, 512
TITLES = {
    "modalmill": "modalmill.stages.stream, shuffled",
    "workers": "webdataset, .npy, 2 workers",
    "inline": "webdataset, .npy, no workers",
    "map": "memory map alone, in order",
}


def timed(batches: Iterable[int], began: float) -> None:
    """Print the time to the first batch and to the last, and how many vectors came in all and after the first batch."""
    first, total, head = 0.0, 0, 0
    for count in batches:
        total += count
        if not first:
            first, head = time.perf_counter() - began, count
    print(json.dumps({"first_s": first, "all_s": time.perf_counter() - began, "vectors": total, "after_first": total - head}))


def run_modalmill(folder: Path) -> None:
    from modalmill.stages import stream

    def batches() -> Iterator[int]:
        spec = stream.FeatureSpec(folder=str(folder / "out" / "features"), part="text")
        for batch in stream.open(folder / "out" / "shards", batch_size=BATCH, drop_last=False, parts={"text": spec}):
            yield len(batch.parts["text"])

    began = time.perf_counter()
    timed(batches(), began)


def run_webdataset(folder: Path, workers: int) -> None:
    import torch
    import webdataset

    def load(sample: dict[str, bytes]) -> tuple[torch.Tensor]:
        return (torch.from_numpy(np.load(io.BytesIO(sample["npy"]), allow_pickle=False)),)

    began = time.perf_counter()
    paths = sorted(str(path) for path in (folder / "tars").glob("*.tar"))
    data = webdataset.WebDataset(paths, shardshuffle=False).map(load).batched(BATCH)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=workers)
    timed((len(batch[0]) for batch in loader), began)


def run_map(folder: Path) -> None:
    from modalmill.stages.stream.decode import FeatureCache

    def batches() -> Iterator[int]:
        vectors = FeatureCache(folder / "out" / "features", "text").vectors
        for start in range(0, len(vectors), BATCH):
            yield len(vectors[start : start + BATCH].copy())

    began = time.perf_counter()
    timed(batches(), began)


def make(folder: Path, count: int) -> None:
    """A corpus of texts, its shards, and vectors of the same keys as a feature cache and as .npy members of eight tars."""
    import webdataset
    from modalmill.schemas.disk import write_table
    from modalmill.stages.stream.index import Index

    with open(folder / "texts.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows([number, f"the text of row {number}"] for number in range(count))
    source = {"type": "csv", "path": "texts.csv", "id": "{id}", "text": {"text": "text"}}
    modalmill(write_recipe(folder / "recipe.yaml", folder, {"texts": source}, shard={}), folder / "out")
    keys = sorted(Index(folder / "out" / "shards", None).keys)
    vectors = np.random.default_rng(7).standard_normal((len(keys), DIMS)).astype(np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMS)
    write_table(folder / "out" / "features" / "text.arrow", pa.table({"id": pa.array(keys), "vector": column}), rows_per_batch=len(keys))
    write_table(folder / "out" / "features" / "text.keys.arrow", pa.table({"key": pa.array(keys), "row": pa.array(range(len(keys)), pa.int64())}))
    (folder / "tars").mkdir()
    for number in range(8):
        with webdataset.TarWriter(str(folder / "tars" / f"{number:06d}.tar")) as tar:
            for row in range(number, len(keys), 8):
                tar.write({"__key__": keys[row], "npy": vectors[row]})


def main() -> None:
    parser = arguments(__doc__, "vectors", 50_000)
    parser.add_argument("--data", type=Path, help="of a child")
    options = parser.parse_args()
    if options.child:
        runs = {
            "modalmill": run_modalmill,
            "workers": functools.partial(run_webdataset, workers=options.cores),
            "inline": functools.partial(run_webdataset, workers=0),
            "map": run_map,
        }
        runs[options.child](options.data)
        return
    use_cores(options.cores)
    with work_folder(options.work) as work:
        data = made_once(work / f"vectors-{options.size}", functools.partial(make, count=options.size))
        read_all(data)
        found = in_turn(
            {name: functools.partial(child, __file__, name, "--data", data, "--cores", str(options.cores)) for name in TITLES}, options.repeats
        )
    rates = {name: figures["vectors"] / figures["all_s"] for name, figures in found.items()}
    later = {name: figures["after_first"] / (figures["all_s"] - figures["first_s"]) for name, figures in found.items()}
    rows = [
        [
            title,
            f"{rates[name]:,.0f}",
            f"{later[name]:,.0f}",
            f"{found[name]['first_s']:.2f}",
            f"{rates['modalmill'] / rates[name]:.1f}",
            f"{later['modalmill'] / later[name]:.1f}",
        ]
        for name, title in TITLES.items()
    ]
    header = [
        f"{options.size:,} vectors",
        "vectors/s, epoch",
        "after the first batch",
        "first batch s",
        "modalmill / this",
        "after the first",
    ]
    print_table(header, rows)
    print_versions("torch", "webdataset", "pyarrow", "numpy")


if __name__ == "__main__":
    sys.exit(main())
