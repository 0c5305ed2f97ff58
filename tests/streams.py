"""What the tests of the stream share: tars as others write them, and batches as plain values."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modalmill.stages import stream
from tiny import jpeg


def tar(path: Path, files: Iterable[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar with these members in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as out:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return path


def samples(count: int, start: int = 0) -> list[tuple[str, bytes]]:
    """Members as img2dataset writes them: a picture, its caption, a json and a class."""
    found = []
    for number in range(start, start + count):
        about = {"caption": f"picture {number}", "width": 64, "nested": {"a": 1}}
        files = (
            (".jpg", jpeg(seed=number)),
            (".txt", f"picture {number}".encode()),
            (".json", json.dumps(about).encode()),
            (".cls", str(number).encode()),
        )
        found += [(f"{number:05d}{ending}", data) for ending, data in files]
    return found


def contents(batches: Any) -> list[tuple[list[str], list[bytes]]]:
    """Keys and the bytes of all tensors of each batch."""
    return [
        (
            batch.keys,
            [batch.parts[name].numpy().tobytes() for name in batch.parts]
            + [batch.present_BM.numpy().tobytes()],
        )
        for batch in batches
    ]


# of the shards of all modalities
MIXED_PARTS = {
    "image": stream.ImageSpec(size=32, crop="random", flip=True),
    "question": stream.TextSpec(length=6, vocabulary={"what": 2, "is": 3}),
    "voice": stream.AudioSpec(rate_hz=8000, seconds=0.5),
    "video": stream.VideoSpec(frames=4, size=32),
}
