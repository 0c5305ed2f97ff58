"""What is measured of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....schemas.errors import DamageError
from ...media import video

_WIDTH, _HEIGHT = 64, 48
_BLACK = 20.0
_STILL = 0.25
_NEARLY_ALL = 0.98


def measure_video(path: Path) -> tuple[dict[str, int | float], dict[str, float]]:
    """Facts and signals of a video, every frame decoded.

    Facts: ``width``, ``height`` as shown, ``fps`` as the container says, ``frames`` as counted,
    ``duration_s`` when the last frame ends, on the container's clock.
    ``claim``: what is there of the length that the container claims (1 where it claims nothing).
    ``black``: share of frames whose mean luma is below 20 of 255. ``frozen``: share of frames that
    differ from the one before by less than a quarter grey level on average. ``motion``: mean of
    that difference, in grey levels. ``damaged``: share of frames that are damaged or would not
    decode.
    ``late_s``: seconds before the first picture, while the sound is there. ``sound_late_s``: by how
        much the sound begins after the pictures, and
    ``sound_short_s``: by how much it ends before them, negative the other way; both where there is
    sound. ``streams``: streams of pictures in the file.
    """
    facts = video.probe(path)
    count, black, still, motion = 0, 0, 0, 0.0
    first = last = 0.0
    before: np.ndarray | None = None
    damage: list[float] = []
    for time, frame in video.frames(path, _WIDTH, _HEIGHT, "gray", damage):
        first = time if count == 0 else first
        count += 1
        last = max(last, time)
        black += bool(frame.mean() < _BLACK)
        if before is not None:
            change = float(np.abs(frame.astype(np.int16) - before).mean())
            still += change < _STILL
            motion += change
        before = frame.astype(np.int16)
    if count == 0:
        raise DamageError("video_empty", "not one frame can be decoded")
    step = (last - first) / (count - 1) if count > 1 else 0.0
    end = last + (1 / facts.fps if facts.fps else step)
    signals = {
        "claim": _claim(path, facts.duration_s, end),
        "black": black / max(1, count),
        "frozen": still / max(1, count - 1),
        "damaged": min(1.0, len(damage) / count),
        "motion": motion / max(1, count - 1),
        "late_s": max(0.0, first),
        "streams": float(facts.streams),
    }
    gaps = video.sound_gaps(path)
    if gaps is not None:
        signals |= {"sound_late_s": gaps[0], "sound_short_s": gaps[1]}
    return {
        "width": facts.width,
        "height": facts.height,
        "fps": facts.fps,
        "frames": count,
        "duration_s": end,
    }, signals


def _claim(path: Path, claimed_s: float, end_s: float) -> float:
    """Share of the claimed length that is there. The container is as long as its longest stream; so
    where the pictures end early, the sound is asked."""
    if claimed_s <= 0:
        return 1.0
    share = end_s / claimed_s
    return share if share > _NEARLY_ALL else max(share, video.end_of_all(path) / claimed_s)
