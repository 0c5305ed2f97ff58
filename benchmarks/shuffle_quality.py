"""How far the orders of an epoch are from uniform permutations: modalmill's, webdataset's,
MosaicML's.

200,000 records of 25 kB in 200 shards, batches of 64; every order is made by the library's own
code. Against uniform permutations, whose values are 1 in every column:

displacement    mean distance between a record's place in the shards and in the epoch, of that of a
                uniform permutation (a third of the records)
shards a batch  different shards among a batch's records
neighbours      how often records stored side by side come in the same batch
twice           how often two records that shared a batch share one again in the next epoch

``--mosaic``: the python of an environment with mosaicml-streaming (``loaders/setup.sh``).
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _common import print_table, print_versions

SHARDS, SHARD, BATCH, BYTES = 200, 1000, 64, 25_000
COUNT = SHARDS * SHARD
MOSAIC = """
import sys, numpy as np
from streaming.base.shuffle import get_shuffle
shards, size, algorithm, epoch, out = sys.argv[1:]
sizes = np.full(int(shards), int(size))
np.save(out, get_shuffle(algorithm, sizes, 1, 7, int(epoch), 1 << 18))
"""
Make = Callable[[int], np.ndarray]


def uniform(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).permutation(COUNT)


def default(epoch: int) -> np.ndarray:
    from modalmill.stages.stream.order.permutation import Shuffled

    return Shuffled(COUNT, 7).records(epoch, 0, COUNT)


def formula(epoch: int) -> np.ndarray:
    from modalmill.schemas.fingerprint import random_for
    from modalmill.stages.stream.order.permutation import permuted

    keys = random_for(7, "order", str(epoch)).integers(0, 2**64, 8, dtype=np.uint64)
    return permuted(np.arange(COUNT, dtype=np.uint64), COUNT, keys).astype(np.int64)


def blocks(epoch: int) -> np.ndarray:
    from modalmill.stages.stream import Blocks
    from modalmill.stages.stream.order.blocks import BlockShuffled

    asked = Blocks()
    starts = np.arange(0, COUNT + 1, asked.block_bytes // BYTES)
    starts = np.append(starts, COUNT) if starts[-1] != COUNT else starts
    return BlockShuffled(starts, 7, asked.window_bytes // asked.block_bytes).records(
        epoch, 0, COUNT
    )


def webdataset(epoch: int, buffer: int) -> np.ndarray:
    import webdataset

    chance = random.Random(epoch)
    shards = list(range(SHARDS))
    chance.shuffle(shards)
    records = (number * SHARD + place for number in shards for place in range(SHARD))
    return np.fromiter(webdataset.filters.shuffle(buffer, rng=chance)(records), np.int64)


def mosaic(epoch: int, python: Path, algorithm: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "order.npy"
        subprocess.run(
            [python, "-c", MOSAIC, str(SHARDS), str(SHARD), algorithm, str(epoch), out],
            check=True,
            capture_output=True,
        )
        return np.load(out)


def quality(make: Make) -> list[float]:
    """The four figures, each over eight epochs."""
    orders = [make(epoch) for epoch in range(8)]
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(COUNT)), "not a permutation"
    batches = COUNT // BATCH
    displacement, spread, neighbours, twice = [], [], [], []
    batch_of = []
    for order in orders:
        place = np.empty(COUNT, np.int64)
        place[order] = np.arange(COUNT)
        displacement.append(np.abs(place - np.arange(COUNT)).mean() / (COUNT / 3))
        rows = np.sort(order[: batches * BATCH].reshape(batches, BATCH) // SHARD, axis=1)
        spread.append(((np.diff(rows, axis=1) != 0).sum(axis=1) + 1).mean())
        batch_of.append(place // BATCH)
        neighbours.append((batch_of[-1][1:] == batch_of[-1][:-1]).mean())
    for order, after in zip(orders, batch_of[1:], strict=False):
        rows = np.sort(after[order[: batches * BATCH]].reshape(batches, BATCH), axis=1)
        same = np.zeros(1)
        for step in range(1, BATCH):
            same += (rows[:, step:] == rows[:, :-step]).sum()
        twice.append(float(same[0]) / (batches * BATCH * (BATCH - 1) / 2))
    chance = (BATCH - 1) / (COUNT - 1)
    expected = SHARDS * (1 - (1 - 1 / SHARDS) ** BATCH)
    return [
        float(np.mean(displacement)),
        float(np.mean(spread)) / expected,
        float(np.mean(neighbours)) / chance,
        float(np.mean(twice)) / chance,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mosaic", type=Path, help="python of an environment with mosaicml-streaming"
    )
    options = parser.parse_args()
    ways: dict[str, Make] = {
        "numpy's permutation": uniform,
        "modalmill, default (up to 2^20 records)": default,
        "modalmill, default (beyond: a formula)": formula,
        "modalmill, Blocks (default for urls): 2 MiB blocks, 64 MiB windows": blocks,
        "webdataset, shards shuffled, shuffle(1000)": lambda epoch: webdataset(epoch, 1000),
        "webdataset, shards shuffled, shuffle(5000)": lambda epoch: webdataset(epoch, 5000),
    }
    if options.mosaic:
        for algorithm in ("py1e", "py1br", "py1s", "naive"):
            ways[f"mosaicml-streaming, {algorithm}"] = lambda epoch, name=algorithm: mosaic(
                epoch, options.mosaic, name
            )  # type: ignore[misc]
    rows = [[name, *(f"{value:.2f}" for value in quality(make))] for name, make in ways.items()]
    print_table(
        ["order of an epoch", "displacement", "shards a batch", "neighbours", "twice"], rows
    )
    print_versions("webdataset", "numpy")


if __name__ == "__main__":
    sys.exit(main())
