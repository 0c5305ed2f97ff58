"""A report as three files: JSON for programs, text for people, and a picture where matplotlib is installed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...schemas.disk import write_bytes
from ...schemas.errors import MissingPackageError


def write_report(out: Path, name: str, report: Mapping[str, Any], text: str, draw: Callable[[Any], Any]) -> None:
    """Write ``name.json``, ``name.txt`` and, where matplotlib is installed, ``name.png`` into a folder.

    draw: makes a figure by the plotting module that it is given.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / f"{name}.json", (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
    write_bytes(out / f"{name}.txt", (text + "\n").encode())
    with contextlib.suppress(MissingPackageError):
        write_picture(out / f"{name}.png", draw)


def write_picture(path: Path, draw: Callable[[Any], Any]) -> None:
    """Write the figure that ``draw`` makes by the plotting module it is given; MissingPackageError where that is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingPackageError("matplotlib", "train", "a picture") from error
    figure = draw(pyplot)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
