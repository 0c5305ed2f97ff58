"""What each step and stage cost when it was last done: seconds, and bytes on this disk."""

from __future__ import annotations

import os
from pathlib import Path

from ..costs import Cost, read_costs
from .charts import bar
from .markup import Markup, data_table, element, section
from .output import Output, read_json_lines

_AFTER = ("features", "shard", "training")


def spent_section(output: Output) -> Markup | None:
    """A row for each step; None where no run kept what it cost."""
    costs = read_costs(output.folder.work.costs)
    if not costs:
        return None
    steps = [(name, costs.get(name)) for name in _in_order(output, costs)]
    training = sum(
        line["seconds"] for line in read_json_lines(output.folder.training / "log.jsonl")
    )
    most = max([cost["seconds"] for _, cost in steps if cost] + [training, 1e-9])
    rows: list[list[object]] = []
    for name, cost in steps:
        seconds = cost["seconds"] if cost else (training or None) if name == "training" else None
        size = _bytes_of(output, name, cost)
        if seconds is None and not size:
            continue
        rows.append(
            [
                name,
                "–" if seconds is None else _shown(seconds),
                bar([("kept", (seconds or 0.0) / most)]),
                f"{cost['things']:,} {cost['unit']}" if cost else "–",
                _shown(cost["things"] / cost["seconds"]) if cost and cost["seconds"] else "–",
                f"{size / 1e6:,.1f}" if size else "–",
            ]
        )
    return section(
        "costs",
        "Time and bytes",
        data_table(
            "What each step cost when anything of it was last left to do",
            ["step", "seconds", "", "done", "a second", "MB"],
            rows,
            " n nnn",
        ),
        element(
            "p",
            "Of stages the seconds of all workers in them, without reading and writing; a table"
            " stands with the last of those that are carried out together. Of others the seconds"
            " from begin to end.",
            class_="quiet",
        ),
    )


def _in_order(output: Output, costs: dict[str, Cost]) -> list[str]:
    """The steps as a run takes them; stages that the run no longer has are none."""
    stages = [count.name for count in output.account.stages if count.name != "shard"]
    return ["ingest", "measure", *(name for name in stages if name in costs), *_AFTER]


def _bytes_of(output: Output, name: str, cost: Cost | None) -> int:
    folder = output.folder
    folders = {
        "ingest": [folder.work.ingested],
        "measure": [folder.work.media, folder.work.measured],
        "features": [folder.features, folder.work.features],
        "shard": [folder.shards],
        "training": [folder.training],
    }
    if name in folders:
        return sum(map(_size_of, folders[name]))
    return cost["bytes"] if cost else 0


def _size_of(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(place, name)).st_size
        for place, _, names in os.walk(folder)
        for name in names
    )


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
