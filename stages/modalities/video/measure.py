"""What is measured of a video: tracks over its frames, and signals that are reductions of them, of
all or of any span.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ....schemas.errors import DamageError
from ...media import video
from ...media.sketch import Sketch, Sketcher
from ...modality import Measured

_WIDTH, _HEIGHT = 64, 48
_BLACK = 26  # a tenth of full luma
_CLOSE_S = 1e-3
_STILL = 0.5  # grey levels
_BLOCK = 8
_NEARLY_ALL = 0.98


def measure_video(
    path: Path, sketched: bool = False
) -> tuple[Measured, dict[str, float], dict[str, np.ndarray]]:
    """Facts, signals and tracks of a video, every frame decoded; see :func:`video_signals`.

    Facts: ``width``, ``height`` as shown, ``fps`` as the container says, ``frames`` as counted,
    ``duration_s`` when the last frame ends, on the container's clock. Of the file alone are

    ``claim``: what is there of the length that the container claims (1 where it claims nothing).
    ``damaged``: share of frames that are damaged or would not decode. ``late_s``: seconds before
    the first picture, while the sound is there. ``sound_late_s``: by how much the sound begins
    after the pictures, and ``sound_short_s``: by how much it ends before them, negative the other
    way; both where there is sound. ``streams``: streams of pictures in the file.

    sketched: whether there is a ``likeness`` among the facts, the film's sketch.
    """
    facts = video.probe(path)
    sketcher = Sketcher(facts.turns) if sketched else None
    times: list[float] = []
    dark: list[float] = []
    moved: list[float] = []
    change: list[float] = []
    before: np.ndarray | None = None
    damage: list[float] = []
    for time, frame in video.frames(path, _WIDTH, _HEIGHT, "gray", damage):
        if sketcher is not None:
            sketcher.add(time, frame)
        pixels = frame.astype(np.int16)
        times.append(time)
        dark.append(float((frame < _BLACK).mean()))
        difference = np.abs(pixels - (pixels if before is None else before))
        moved.append(float(difference.mean()))
        change.append(_largest_change(difference))
        before = pixels
    if not times:
        raise DamageError("video_empty", "not one frame can be decoded")
    first, last, count = times[0], max(times), len(times)
    step = (last - first) / (count - 1) if count > 1 else 0.0
    end = last + (1 / facts.fps if facts.fps else step)
    tracks = {
        "time": np.array(times, np.float32),
        "dark": np.array(dark, np.float32),
        "moved": np.array(moved, np.float32),
        "change": np.array(change, np.float32),
    }
    signals = video_signals(tracks) | {
        "claim": _claim(path, facts.duration_s, end),
        "damaged": min(1.0, len(damage) / count),
        "late_s": max(0.0, first),
        "streams": float(facts.streams),
    }
    gaps = video.sound_gaps(path)
    if gaps is not None:
        signals |= {"sound_late_s": gaps[0], "sound_short_s": gaps[1]}
    measured: Measured = {
        "width": facts.width,
        "height": facts.height,
        "fps": facts.fps,
        "frames": count,
        "duration_s": end,
    }
    if sketcher is not None:
        measured["likeness"] = sketcher.finished(end).to_array()
    return measured, signals, tracks


def sketch_video(source: Path | BinaryIO) -> Sketch:
    """The sketch of a film alone; DamageError where not one frame can be decoded. Its last frame is
    taken to be shown as long as the others are on average.
    """
    facts = video.probe(source)
    if not isinstance(source, Path):
        source.seek(0)
    sketcher = Sketcher(facts.turns)
    times = []
    for time, frame in video.frames(source, _WIDTH, _HEIGHT, "gray", []):
        sketcher.add(time, frame)
        times.append(time)
    if not times:
        raise DamageError("video_empty", "not one frame can be decoded")
    first, last = times[0], max(times)
    step = (last - first) / (len(times) - 1) if len(times) > 1 else 0.0
    return sketcher.finished(last + step)


def video_signals(
    tracks: Mapping[str, np.ndarray], start_s: float | None = None, end_s: float | None = None
) -> dict[str, float]:
    """Signals of what is shown in the span [start_s, end_s), from the tracks of a video.

    ``black``: share of frames of which 98 % are black (luma below a tenth), so that writing on
    black is none. ``frozen``: share of frames of which no 48th differs from the one before by half
    a grey level on average. ``motion``: mean of the difference to the one before, in grey levels.
    """
    times = tracks["time"]
    begin = 0
    if start_s is not None:  # with the frame that is on the screen as the span begins
        begin = max(0, int(np.searchsorted(times, start_s + _CLOSE_S, side="right")) - 1)
    end = len(times) if end_s is None else int(np.searchsorted(times, end_s - _CLOSE_S))
    shown = slice(begin, max(begin + 1, end))
    # the first frame has none before it in the span
    moved, change = tracks["moved"][shown][1:], tracks["change"][shown][1:]
    return {
        "black": float((tracks["dark"][shown] >= _NEARLY_ALL).mean()),
        "frozen": float((change < _STILL).mean()) if len(change) else 0.0,
        "motion": float(moved.mean()) if len(moved) else 0.0,
    }


def _largest_change(difference: np.ndarray) -> float:
    """The mean of the block of 8 x 8 pixels ``[48, 64]`` that changes most: bars and a still
    background do not hide what moves, and the noise of single pixels is none.
    """
    blocks = difference.reshape(_HEIGHT // _BLOCK, _BLOCK, _WIDTH // _BLOCK, _BLOCK)
    return float(blocks.mean((1, 3)).max())


def _claim(path: Path, claimed_s: float, end_s: float) -> float:
    """Share of the claimed length that is there. The container is as long as its longest stream; so
    where the pictures end early, the sound is asked."""
    if claimed_s <= 0:
        return 1.0
    share = end_s / claimed_s
    return share if share > _NEARLY_ALL else max(share, video.end_of_all(path) / claimed_s)
