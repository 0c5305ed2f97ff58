"""A run folder that explains itself: ``run.json`` says what was trained on what, by which versions,
where.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from .... import __version__
from ....schemas.disk import write_bytes
from ..model.checkpoint import CheckpointHeader
from ..options import TrainOptions


def write_about(
    out: Path,
    options: TrainOptions,
    header: CheckpointHeader,
    device: torch.device,
    processes: int,
    parameters: int,
    seed: int,
) -> None:
    """Write ``run.json``."""
    card = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    value = {
        "options": options.model_dump(exclude_defaults=True),
        "seed": seed,
        "parameters": parameters,
        "shards": {"name": header.name, "fingerprint": header.shards},
        "versions": {
            "modalmill": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "system": platform.platform(),
            "device": str(device),
            "card": card,
            "processes": processes,
        },
        "git_commit": _commit(),
        "command": sys.argv,
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_bytes(out / "run.json", (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def _commit() -> str | None:
    """The commit of the folder the command was given in, if it is one of git's."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run(
        [git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
    )
    return done.stdout.strip() or None
