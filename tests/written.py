"""What a run wrote into its shards, read by other tools."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile


def members(out: Path) -> dict[str, bytes]:
    """Name -> bytes, of all shards of an output folder."""
    found = {}
    for path in sorted(out.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                found[member.name] = file.read()
    return found


def sounds(out: Path) -> dict[str, tuple[np.ndarray, int]]:
    """Stem of the member -> samples ``[T, C]`` and rate."""
    return {
        name.partition(".")[0]: soundfile.read(io.BytesIO(data), always_2d=True)
        for name, data in members(out).items()
        if name.endswith((".flac", ".wav"))
    }


def annotations(out: Path) -> dict[str, Any]:
    """Stem of the member -> the json of a sample."""
    return {
        name.partition(".")[0]: json.loads(data)
        for name, data in members(out).items()
        if name.endswith(".json") and "/" not in name
    }
