"""How fast something is on one core, and the inputs that everyone is given: what all scripts of
this folder share, in the environment of whichever tool they run. It needs numpy alone.

    pictures.npy   RGB ``uint8 [N, 480, 640, 3]``, and ``pictures/NN.jpg``, which they are made of
    sounds.npy     ``float32 [N, T]`` at 16 kHz, and ``sounds/NN.wav``
    films.npy      RGB ``uint8 [N, 8, H, W, 3]``: eight frames of each, and the files in ``films``
    messages.json  short texts, and pages.json, long ones
"""

from __future__ import annotations

import importlib.metadata
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
DRAWS = 4  # of what is drawn, for each medium
LEAST_S, MOST_S, LEAST_PASSES = 0.3, 3.0, 3  # of CPU time that a figure is taken from
Rates = dict[str, list[tuple[str, float]]]


class Inputs:
    """The inputs in a folder.

    pictures, sounds, films: a list of arrays each. texts: name of the set -> texts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = list(np.load(folder / "pictures.npy"))
        self.sounds = list(np.load(folder / "sounds.npy"))
        self.films = list(np.load(folder / "films.npy"))
        self.texts = {
            name: json.loads((folder / f"{name}.json").read_text())
            for name in ("messages", "pages")
        }

    @property
    def seconds(self) -> float:
        """How long each sound is."""
        return len(self.sounds[0]) / RATE_HZ


class Told:
    """The rates of one tool, which are printed at the end as one line of JSON.

    only: what a row must have in it to be measured. rates: row -> what the tool calls it, and
        media a CPU second. left: operator -> why it was not measured.
    """

    def __init__(self, only: str = "") -> None:
        self.only = only
        self.rates: Rates = {}
        self.left: dict[str, str] = {}

    def measure(
        self,
        row: str,
        called: str,
        work: Callable[[Any], object],
        items: Sequence[Any],
        amount: float = 1.0,
    ) -> None:
        """Add the rate of ``work`` on the items, of which each has this amount of what is counted
        (a picture, seconds, frames).
        """
        if self.only in row:
            print(f"  {row}: {called}", file=sys.stderr, flush=True)
            self.rates.setdefault(row, []).append((called, amount * rate(work, items)))

    def print(self, *packages: str) -> None:
        """Print what was told, and the versions of these packages."""
        versions = {name: importlib.metadata.version(name) for name in packages}
        print(json.dumps({"rates": self.rates, "left": self.left, "versions": versions}))


def rate(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Items a CPU second: the median of passes over all of them, at least ``LEAST_PASSES`` and
    until ``LEAST_S`` are over; of what takes longer than ``MOST_S``, the passes until then, or what
    there is of the first.
    """
    work(items[0])  # imports, tables
    np.random.seed(7)
    random.seed(7)  # what draws from these draws alike in each turn
    found: list[float] = []
    spent = 0.0
    while spent < MOST_S and (spent < LEAST_S or len(found) < LEAST_PASSES):
        done, began = 0, time.process_time()
        for item in items:
            work(item)
            done += 1
            if (own := time.process_time() - began) > MOST_S:
                break
        found.append(done / own)
        spent += own
    return statistics.median(found)


def started() -> tuple[Inputs, Told]:
    """The inputs and what will be told, by the words of the command line: the folder, and what rows
    must have in their names, all of them where it is left out.
    """
    folder, *only = sys.argv[1:]
    return Inputs(Path(folder)), Told("".join(only))
