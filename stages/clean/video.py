"""Video: decodable to the end, as long as its container claims, not black, not frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ...schemas.errors import DamageError
from ...schemas.record import Modality
from ..media import video
from ._rules import JudgesParts, Rule

MEASURE_VERSION = 3
_WIDTH, _HEIGHT = 64, 48
_BLACK = 20.0
_STILL = 0.25
_NEARLY_ALL = 0.98


def measure(path: Path) -> tuple[dict[str, int | float], dict[str, float]]:
    """Facts and signals of a video, every frame decoded.

    Facts: ``width``, ``height`` as shown, ``fps`` as the container says, ``frames`` as counted, ``duration_s`` when the last frame ends, on the
    container's clock.
    ``claim``: what is there of the length that the container claims (1 where it claims nothing). ``black``: share of frames whose mean
    luma is below 20 of 255. ``frozen``: share of frames that differ from the one before by less than a quarter grey level
    on average. ``motion``: mean of that difference, in grey levels. ``damaged``: share of frames that are damaged or would not decode.
    ``late_s``: seconds before the first picture, while the sound is there. ``sound_late_s``: by how much the sound begins after the pictures, and
    ``sound_short_s``: by how much it ends before them, negative the other way; both where there is sound. ``streams``: streams of pictures in
    the file.
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
    return {"width": facts.width, "height": facts.height, "fps": facts.fps, "frames": count, "duration_s": end}, signals


def _claim(path: Path, claimed_s: float, end_s: float) -> float:
    """Share of the claimed length that is there. The container is as long as its longest stream; so where the pictures end early, the sound is
    asked."""
    if claimed_s <= 0:
        return 1.0
    share = end_s / claimed_s
    return share if share > _NEARLY_ALL else max(share, video.end_of_all(path) / claimed_s)


@dataclass(frozen=True, kw_only=True)
class Video(JudgesParts):
    """Rejects records whose video breaks a rule, or takes only the video away.

    min_seconds, max_seconds: decoded length.
    max_damaged: share of frames that are damaged; decoders mend them silently, mostly with grey or with what was there before.
    min_claim: decoded length over the container's claim; a cut file has less than it says.
    max_black, max_frozen: share of black frames, and of frames equal to the one before.
    min_side: pixels of the shorter side.
    on_fault: ``reject`` the record, or ``drop_part`` and keep the rest of it.
    """

    modality: ClassVar[Modality] = "video"
    needs: ClassVar[tuple[Modality, ...]] = ("video",)

    min_seconds: float = 0.0
    max_seconds: float = 1e9
    max_damaged: float = 0.0
    min_claim: float = 0.9
    max_black: float = 1.0
    max_frozen: float = 1.0
    min_side: int = 1
    on_fault: Literal["reject", "drop_part"] = "reject"

    def rules(self) -> list[Rule]:
        return [
            Rule("video_too_small", "min_side", lambda part, _: min(part.width or 0, part.height or 0), self.min_side, None),
            Rule("video_too_short", "min_seconds", lambda part, _: part.duration_s or 0.0, self.min_seconds, None),
            Rule("video_too_long", "max_seconds", lambda part, _: part.duration_s or 0.0, None, self.max_seconds),
            Rule("video_damaged", "max_damaged", lambda _, signal: signal("damaged"), None, self.max_damaged),
            Rule("video_shorter_than_claimed", "min_claim", lambda _, signal: signal("claim"), self.min_claim, None),
            Rule("video_black", "max_black", lambda _, signal: signal("black"), None, self.max_black),
            Rule("video_frozen", "max_frozen", lambda _, signal: signal("frozen"), None, self.max_frozen),
        ]
