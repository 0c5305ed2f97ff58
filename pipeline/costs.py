"""What each step of a run cost when it was last done: seconds, things and bytes.

It differs from run to run, so that it stands in a file of its own below ``work``: what others read
is the same for every run. A step of which nothing was left to do keeps what it cost before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from ..schemas.disk import write_json
from .progress import Progress


class Cost(TypedDict):
    """seconds: from begin to end of a step; of a stage, those that all workers spent in it. things:
    what was done, in ``unit``. bytes: of what it wrote.
    """

    seconds: float
    things: int
    unit: str
    bytes: int


class Costs:
    """The costs of a run on its way, written as soon as a step is done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._costs = read_costs(path)

    @contextmanager
    def step(
        self, progress: Progress, name: str, unit: str
    ) -> Iterator[Callable[[int, int], None]]:
        """A step of a run, shown by ``progress`` and kept here where anything was left to do."""
        first = last = -1
        began = time.monotonic()
        with progress.step(name, unit) as shown:

            def advance(done: int, total: int) -> None:
                nonlocal first, last
                first, last = (done if first < 0 else first), done
                shown(done, total)

            yield advance
        if last > max(first, 0):
            self.add(name, time.monotonic() - began, last - max(first, 0), unit, 0)

    def add(self, name: str, seconds: float, things: int, unit: str, size: int) -> None:
        """Keep what a step cost."""
        # what it cost before stands no longer at its place among the others
        self._costs.pop(name, None)
        self._costs[name] = {
            "seconds": round(seconds, 6),
            "things": things,
            "unit": unit,
            "bytes": size,
        }
        write_json(self._path, self._costs)


def read_costs(path: Path) -> dict[str, Cost]:
    """Step or stage -> its cost; nothing where no run kept any, or the file is no such one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = Cost.__annotations__.keys()
    whole = isinstance(found, dict) and all(
        isinstance(cost, dict) and cost.keys() == wanted for cost in found.values()
    )
    return found if whole else {}
