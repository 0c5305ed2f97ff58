"""Films made as they are needed, grey and small: one speaker before one wall, scenes with cuts, and
copies of them by FFmpeg.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

FPS = 25
HEIGHT, WIDTH = 96, 128
_ROWS, _COLUMNS = np.mgrid[:HEIGHT, :WIDTH]

Frames = Sequence[np.ndarray]  # uint8 [H, W] each


def wall(seed: int) -> np.ndarray:
    """A still ground ``float32 [96, 128]``."""
    random = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(random.uniform(0, 255, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 8)
    return (ground - ground.min()) / np.ptp(ground) * 180 + 30


def _blob(row: float, column: float, high: float, wide: float) -> np.ndarray:
    return np.exp(-(((_ROWS - row) / high) ** 2) - ((_COLUMNS - column) / wide) ** 2)


def speaker(seed: int, seconds: float = 3.2, ground: int = 0, fps: int = FPS) -> list[np.ndarray]:
    """A mouth that opens and a head that nods, before the same wall whatever the seed."""
    random = np.random.default_rng(seed)
    count, smooth = round(seconds * fps), np.hanning(max(3, round(0.6 * fps)))
    opens, level, nods, sways = (
        np.convolve(random.normal(0, 1, count + len(smooth) - 1), smooth, "valid")
        / np.sqrt(np.square(smooth).sum())
        for _ in range(4)
    )
    still = wall(ground)
    return [
        (
            still
            + 30 * opens[place] * _blob(60, 64, 6, 11)
            + 15 * level[place] * _blob(40 + 4 * nods[place], 64 + 6 * sways[place], 18, 18)
            + random.normal(0, 1, still.shape)
        )
        .clip(0, 255)
        .astype(np.uint8)
        for place in range(count)
    ]


def scenes(seed: int, seconds: float = 3.2, fps: int = FPS) -> list[np.ndarray]:
    """Something bright that moves before a ground, and cuts to others."""
    random = np.random.default_rng(seed)
    frames: list[np.ndarray] = []
    while len(frames) < round(seconds * fps):
        ground, lasts = wall(int(random.integers(1 << 30))), random.uniform(0.6, 3)
        down, right = random.normal(0, 10, 2)  # pixels a second
        for place in range(round(lasts * fps)):
            time = place / fps
            bright = 60 * _blob(48 + down * time, 64 + right * time, 14, 14)
            frames.append((0.7 * ground + bright).astype(np.uint8))
    return frames[: round(seconds * fps)]


def film(path: Path, frames: Frames, codec: str = "libx264", fps: float = FPS, **how: str) -> Path:
    """Write frames as a film. how: the options of the codec."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        rate = Fraction(fps)
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.options = {"preset": "ultrafast"} | how if codec == "libx264" else how
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def _scaled(frames: Frames, share: float) -> list[np.ndarray]:
    return [
        cv2.resize(frame, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        for frame in frames
    ]


# the name of a change -> path, frames -> the film
COPIES: dict[str, Callable[[Path, Frames], Path]] = {
    "h264 at crf 18": lambda path, own: film(path, own, crf="18"),
    "h264 at crf 35": lambda path, own: film(path, own, crf="35"),
    "mpeg4": lambda path, own: film(path, own, "mpeg4", qmin="6", qmax="6"),
    "vp9": lambda path, own: film(
        path.with_suffix(".webm"), own, "libvpx-vp9", deadline="realtime", crf="40", b="0"
    ),
    "half the size": lambda path, own: film(path, _scaled(own, 0.5)),
    "12.5 frames a second": lambda path, own: film(path, own[::2], fps=FPS / 2),
    "the middle 60 %": lambda path, own: film(path, own[len(own) // 5 : 4 * len(own) // 5]),
    "with bars": lambda path, own: film(path, [np.pad(frame, ((14, 14), (0, 0))) for frame in own]),
    "brighter": lambda path, own: film(
        path, [(1.1 * frame + 8.0).clip(0, 255).astype(np.uint8) for frame in own]
    ),
}
