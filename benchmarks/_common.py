"""What the benchmarks share: cores, fresh processes in turn, medians, synthetic pictures, one
table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

Figures = dict[str, float]


def arguments(description: str | None, size_help: str, size: int) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, default=size, help=f"{size_help} (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="repetitions of each variant, in turn (default: %(default)s)",
    )
    parser.add_argument(
        "--cores",
        type=int,
        default=2,
        help="cores that every measured process may use (default: %(default)s)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for inputs and outputs, kept; a temporary one where it is not given",
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def use_cores(count: int) -> None:
    """Keep this process and all that it starts on the last ``count`` of its cores."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[-count:])


@contextlib.contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    """The folder to work in, removed afterwards unless the user named it."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="modalmill-bench-") as name:
        yield Path(name)


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """``folder``, filled by ``make`` unless an earlier run did."""
    if not folder.is_dir():
        aside = folder.with_name(folder.name + ".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        make(aside)
        aside.rename(folder)
    return folder


def fresh(command: Sequence[str | Path], **environment: str) -> Figures:
    """Run a command in a process of its own: the JSON object it prints last, if any, and
    ``wall_s``, from its start to its end.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    wall = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(str(word) for word in command)}: exit {done.returncode}\n"
            f"{done.stderr[-2000:]}"
        )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return {"wall_s": wall, **(json.loads(last) if last.startswith("{") else {})}


def child(script: str, name: str, *more: str | Path) -> Figures:
    """Run the variant ``name`` of this script in a process of its own."""
    return fresh([sys.executable, script, "--child", name, *more])


def in_turn(variants: Mapping[str, Callable[[], Figures]], repeats: int) -> dict[str, Figures]:
    """The median of every figure of every variant; the variants run one after the other,
    ``repeats`` times.
    """
    found: dict[str, list[Figures]] = {name: [] for name in variants}
    for turn in range(repeats):
        for name, variant in variants.items():
            print(f"{turn + 1}/{repeats} {name}", file=sys.stderr, flush=True)
            found[name].append(variant())
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in found.items()
    }


def modalmill(recipe: Path, out: Path, *more: str) -> Figures:
    """``modalmill run`` on a recipe into a fresh folder."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    return fresh([sys.executable, "-m", "modalmill", "run", recipe, "--out", out, "--quiet", *more])


def write_recipe(path: Path, data: Path, sources: Mapping[str, Any], **more: Any) -> Path:
    """A recipe file without stages."""
    path.write_text(
        yaml.safe_dump({"name": "bench", "data": str(data), "sources": dict(sources), **more})
    )
    return path


def write_jpegs(
    folder: Path, count: int, width: int, height: int, quality: int, noise: float
) -> None:
    """``count`` JPEGs of different bytes: 500 pictures of soft shapes, edges and noise, repeated
    with a comment of their own each.
    """
    rng = np.random.default_rng(7)
    pictures: list[bytes] = []
    for number in range(count):
        if number < 500:
            pictures.append(
                cv2.imencode(
                    ".jpg", _picture(rng, width, height, noise), [cv2.IMWRITE_JPEG_QUALITY, quality]
                )[1].tobytes()
            )
        data = pictures[number % 500]
        comment = b"%012d" % number
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{number:06d}.jpg").write_bytes(data[:2] + marker + data[2:])


def _picture(rng: np.random.Generator, width: int, height: int, noise: float) -> np.ndarray:
    layers = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 90.0), (16, 30.0), (64, 8.0)):
        coarse = rng.standard_normal((cells * height // width + 1, cells, 3)).astype(np.float32)
        layers += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(8):
        corner, size = rng.integers(0, (width, height)), rng.integers(height // 24, height // 2, 2)
        layers[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] += rng.uniform(
            -60, 60, 3
        ).astype(np.float32)
    layers += noise * rng.standard_normal((height, width, 1)).astype(np.float32)
    return np.clip(layers + 128, 0, 255).astype(np.uint8)


def read_all(folder: Path) -> int:
    """Bytes of all files of a folder, read once, so that every variant finds them in the page
    cache.
    """
    return sum(len(path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A markdown table; all columns but the first to the right."""
    print("| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def print_versions(*packages: str) -> None:
    """One line: versions, cores and Python."""
    names = " ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("modalmill", *packages)
    )
    print(
        f"\n{len(os.sched_getaffinity(0))} cores of {os.cpu_count()} ({platform.machine()}),"
        f" Python {platform.python_version()}; {names}"
    )


def pss_mib(command: list[str]) -> float:
    """The most memory that a command and all its processes held at once, shared pages counted once
    (PSS), in MiB.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(_pss_kib(number) for number in _tree(process.pid)))
        time.sleep(0.05)
    return most / 1024


def _tree(root: int) -> list[int]:
    found = [root]
    for number in found:
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            try:
                found += [int(word) for word in path.read_text().split()]
            except OSError:
                continue
    return found


def _pss_kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
