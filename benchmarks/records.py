"""Records of text from two CSVs: joined, cleaned, freed of duplicates, split; nothing is sharded.

Time and peak memory of all processes together (shared pages counted once), at several sizes; how
they grow with the number of records (the exponent of a power law); and a second run, which has
nothing to do, and one with another threshold.

    python benchmarks/records.py --sizes 10000 100000 1000000
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml
from _common import (
    fresh,
    made_once,
    print_table,
    print_versions,
    pss_mib,
    use_cores,
    work_folder,
)

_WORDS = 12
_COPIED = 50  # every so many records repeat the text before


def write_corpus(folder: Path, count: int) -> None:
    """Two tables of ``count`` rows that belong together by their ids, and the recipe."""
    chance = random.Random(7)
    vocabulary = [f"word{number}" for number in range(20_000)]
    text = ""
    with open(folder / "texts.csv", "w") as texts, open(folder / "labels.csv", "w") as labels:
        texts.write("id,text\n")
        labels.write("id,label,score\n")
        for number in range(count):
            if number % _COPIED != 1:
                text = " ".join(chance.choices(vocabulary, k=_WORDS))
            texts.write(f"{number},{text}\n")
            labels.write(f"{number},{chance.choice('abc')},{chance.random():.4f}\n")
    recipe = {
        "name": "bench",
        "data": str(folder),
        "sources": {
            "texts": {"type": "csv", "path": "texts.csv", "id": "{id}", "text": "text"},
            "labels": {
                "type": "csv",
                "path": "labels.csv",
                "id": "{id}",
                "targets": ["label"],
                "numbers": ["score"],
            },
        },
        "stages": [
            {"align.join": {"sources": ["texts", "labels"]}},
            {"clean.text": {"min_words": 2}},
            "clean.duplicates",
            "align.split",
        ],
        "shard": None,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def main() -> None:
    """Run all sizes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--cores", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--work", type=Path, help="folder for inputs and outputs, kept")
    options = parser.parse_args()
    use_cores(options.cores)
    rows, times, memory = [], [], []
    with work_folder(options.work) as work:
        for size in options.sizes:
            folder = work / f"corpus-{size}"
            made_once(folder, lambda aside, size=size: write_corpus(aside, size))
            # the data root that it was written with is the folder before it was renamed
            recipe = yaml.safe_load((folder / "recipe.yaml").read_text()) | {"data": str(folder)}
            (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
            out = work / f"out-{size}"
            shutil.rmtree(out, ignore_errors=True)
            command = [sys.executable, "-m", "modalmill", "run", str(folder / "recipe.yaml")]
            command += ["--out", str(out), "--quiet"]
            first = fresh(command)["wall_s"]
            again = fresh(command)["wall_s"]
            stricter = fresh([*command, "--set", "stages.clean.text.min_words=3"])["wall_s"]
            shutil.rmtree(out)
            most = pss_mib(command)
            times.append(first)
            memory.append(most)
            rows.append(
                [
                    f"{size:,}",
                    f"{first:.1f}",
                    f"{size / first:,.0f}",
                    f"{most:,.0f}",
                    f"{again:.1f}",
                    f"{stricter:.1f}",
                ]
            )
    print_table(
        ["records", "s", "records/s", "peak MiB (PSS)", "second run s", "another threshold s"], rows
    )
    if len(times) > 1:
        sizes = np.log(options.sizes)
        print(
            f"\nexponents: time {np.polyfit(sizes, np.log(times), 1)[0]:.2f},"
            f" memory {np.polyfit(sizes, np.log(memory), 1)[0]:.2f}"
        )
    print_versions("pyarrow")


if __name__ == "__main__":
    main()
