"""A report as three files: JSON for programs, text for people, and a picture where matplotlib is
installed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ....schemas.disk import replacing, write_bytes
from ....schemas.errors import InputError, MissingPackageError
from .drawing import DPI, STYLE, fit_letters

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    out: Path, name: str, report: Mapping[str, object], text: str, draw: Callable[[], Figure]
) -> None:
    """Write ``name.txt``, ``name.png`` where matplotlib is installed, and ``name.json`` into a
    folder.

    draw: makes a figure; called where matplotlib is installed. The JSON comes last: where it is,
        the others are.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / f"{name}.txt", (text + "\n").encode())
    with contextlib.suppress(MissingPackageError):
        write_picture(out / f"{name}.png", draw)
    write_bytes(
        out / f"{name}.json", (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()
    )


def write_picture(path: Path, draw: Callable[[], Figure]) -> None:
    """Write the figure that ``draw`` makes, in one style; MissingPackageError where matplotlib is
    not installed, InputError for an ending that no picture has.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingPackageError("matplotlib", "train", "a picture") from error
    with rc_context(STYLE):
        figure = draw()
        kinds = figure.canvas.get_supported_filetypes()
        if path.suffix and path.suffix[1:].lower() not in kinds:
            raise InputError(
                f"{path}: no picture is written as {path.suffix}; wanted {', '.join(sorted(kinds))}"
            )
        with rc_context({"font.family": fit_letters(figure)}), replacing(path) as aside:
            figure.savefig(aside, dpi=DPI, format=path.suffix[1:] or "png")
