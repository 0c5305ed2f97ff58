"""One CSV of a million rows: ingest by one task, and by several, a range of it each.

Only the step of ingest, with as many workers as cores: its time; the processor time of the workers
in all; and how much of that lies one after the other, where each round of tasks counts with the
busiest worker. On a machine that others use, the last is what can be compared.
"""

from __future__ import annotations

import csv
import functools
import json
import random
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from _common import (
    arguments,
    child,
    in_turn,
    made_once,
    print_table,
    print_versions,
    read_all,
    use_cores,
    work_folder,
    write_recipe,
)

ONE, SEVERAL = "one task", "ranges"


def make(folder: Path, rows: int) -> None:
    """Texts of fourteen words; each tenth is quoted, and runs over two lines."""
    chance = random.Random(3)
    vocabulary = [f"word{number}" for number in range(20_000)]
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label"])
        for number in range(rows):
            text = " ".join(chance.choices(vocabulary, k=14))
            if number % 10 == 0:
                text = f'{text[:40]}, "so"\n{text[40:]}'
            writer.writerow([f"r{number}", text, chance.choice("abc")])


def measure(variant: str, recipe: Path, out: Path, workers: int) -> None:
    """Ingest by one task or several; prints the figures."""
    from modalmill.pipeline import reading
    from modalmill.pipeline.engine import Local, few_collections
    from modalmill.pipeline.ingesting import ingest
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.task import Task
    from modalmill.schemas.layout import RunFolder
    from modalmill.schemas.recipe import load_recipe

    class Watched(Local):
        """Adds up the processor time of the busiest worker of each round."""

        longest_s = 0.0

        def map(self, tasks: Iterable[Task]) -> Iterator[tuple[int, object]]:
            before = worker_seconds()
            done = list(super().map(tasks))
            spent = [
                seconds - before.get(process, 0.0) for process, seconds in worker_seconds().items()
            ]
            self.longest_s += max(spent, default=0.0)
            yield from done

    if variant == ONE:
        reading.LARGE_BYTES = sys.maxsize
    parsed, root = load_recipe(recipe)
    plan = make_plan(parsed, root, "ingest")
    engine = Watched(workers, plan.recipe.deadline_s, plan.recipe.memory_bytes)
    began = time.perf_counter()
    with few_collections():
        ingest(plan, RunFolder(out).work, engine, lambda done, total: None)
    wall_s = time.perf_counter() - began
    peak = sum(peak_kib(process) for process in [psutil.Process().pid, *worker_seconds()])
    print(
        json.dumps(
            {
                "ingest_s": wall_s,
                "workers_s": sum(worker_seconds().values()),
                "longest_s": engine.longest_s,
                "peak_mib": peak / 1024,
            }
        )
    )
    engine.close()


def worker_seconds() -> dict[int, float]:
    """Processor time of each worker so far."""
    return {process.pid: sum(process.cpu_times()[:2]) for process in psutil.Process().children()}


def peak_kib(process: int) -> int:
    """The most memory that a process held."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = arguments(__doc__, "rows", 1_000_000)
    parser.add_argument("paths", type=Path, nargs="*", help="of a child: recipe and output")
    options = parser.parse_args()
    use_cores(options.cores)
    if options.child:
        measure(options.child, *options.paths, options.cores)
        return
    with work_folder(options.work) as work:
        data = made_once(work / f"table-{options.size}", functools.partial(make, rows=options.size))
        megabytes = (data / "table.csv").stat().st_size / 1e6
        read_all(data)
        table = {"type": "csv", "path": "table.csv", "id": "{id}", "text": "text"}
        recipe = write_recipe(
            work / "table.yaml", data, {"table": table | {"targets": ["label"]}}, shard=None
        )

        def run(name: str) -> dict[str, float]:
            out = work / "out"
            shutil.rmtree(out, ignore_errors=True)
            return child(__file__, name, "--cores", str(options.cores), recipe, out)

        found = in_turn(
            {name: functools.partial(run, name) for name in (ONE, SEVERAL)}, options.repeats
        )
    print_table(
        [f"{options.size:,} rows, {megabytes:.0f} MB", "s", "CPU s", "one after the other", "MiB"],
        [
            [
                name,
                f"{figures['ingest_s']:.1f}",
                f"{figures['workers_s']:.1f}",
                f"{figures['longest_s']:.1f}",
                f"{figures['peak_mib']:,.0f}",
            ]
            for name, figures in found.items()
        ],
    )
    print_versions("pyarrow")


if __name__ == "__main__":
    main()
