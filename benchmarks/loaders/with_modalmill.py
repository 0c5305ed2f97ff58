"""modalmill.stages.stream: shards, the whole epoch shuffled. Options: threads (default), processes,
auto, main (no workers).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from _task import BATCH, CROP, Epochs, main
from modalmill.stages import stream

IMAGE = stream.ImageSpec(size=CROP, crop="random")
NORMAL = stream.ImageSpec(
    size=CROP, crop="random", normalize=(stream.IMAGENET_MEAN, stream.IMAGENET_STD)
)
SOUND = stream.AudioSpec(rate_hz=16_000, seconds=5.0)
VIDEO = stream.VideoSpec(frames=8, size=112)


def opened(kind: str, folder: Path, workers: int, option: str) -> Epochs:
    """The first part's batches."""
    sets: dict[str, tuple[str, dict[str, Any]]] = {
        "images": ("images", {"image": IMAGE}),
        "step": ("images", {"image": IMAGE}),
        "normalised": ("images", {"image": NORMAL}),
        "bytes": ("images", {"image": stream.BytesSpec()}),
        "features": (
            "vectors",
            {
                "text": stream.FeatureSpec(
                    folder=str(folder / "vectors" / "out" / "features"), part="text"
                )
            },
        ),
        "sound": ("sound", {"audio": SOUND}),
        "frames": ("frames", {"video": VIDEO}),
        "clips": ("clips", {"video": VIDEO}),
        "mixed": ("mixed", {"image": IMAGE, "sound": SOUND, "text": stream.TextSpec()}),
    }
    name, parts = sets[kind]
    place = folder / name if kind == "clips" else folder / name / "out" / "shards"
    count = 0 if option == "main" else workers
    backend: Literal["threads", "processes", "auto"] = (
        "processes" if option == "processes" else "auto" if option == "auto" else "threads"
    )
    batches = stream.open(
        place, batch_size=BATCH, drop_last=False, parts=parts, workers=count, backend=backend
    )
    first = next(iter(parts))
    return lambda: (
        batch.lists[first] if kind == "bytes" else batch.parts[first] for batch in batches
    )


if __name__ == "__main__":
    main(lambda folder: None, opened)
