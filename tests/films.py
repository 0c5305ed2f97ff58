"""Films whose pictures and sound say what time it is, written by FFmpeg: a flash and a beep at the
same moment of the container's clock.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE_HZ = 44_100
FLASH_S, FLASH_LENGTH_S = 2.0, 0.12
_UNITS = 90_000
CODECS = {
    "mp4": ("libx264", "aac", None),
    "mov": ("libx264", "aac", None),
    "mkv": ("libx264", "aac", None),
    "ts": ("libx264", "aac", None),
    "mpg": ("mpeg1video", "mp2", "mpeg"),
    "avi": ("mpeg4", "mp2", None),
}


def write_film(
    path: Path,
    pictures_at: float = 0.0,
    sound_at: float = 0.0,
    seconds: float = 4.0,
    flash_at: float = FLASH_S,
    fps: int = 25,
    size: tuple[int, int] = (96, 64),
) -> Path:
    """A film whose streams begin at these times of its clock; at ``flash_at`` it flashes
    and beeps.
    """
    codec, sound_codec, form = CODECS[path.suffix[1:]]
    with av.open(str(path), "w", format=form) as container:
        film = container.add_stream(codec, rate=fps)
        film.width, film.height, film.pix_fmt = *size, "yuv420p"
        film.codec_context.max_b_frames = 0
        voice = container.add_stream(sound_codec, rate=RATE_HZ)
        voice.layout = "mono"
        kind = voice.codec_context.format.name
        times = sound_at + np.arange(round((seconds - sound_at) * RATE_HZ)) / RATE_HZ
        loud = (times >= flash_at) & (times < flash_at + FLASH_LENGTH_S)
        wave = np.where(loud, 0.8, 0.002) * np.sin(2 * np.pi * 1000 * times)
        block = voice.codec_context.frame_size or 1152
        packets = []
        for start in range(0, len(wave), block):
            samples = wave[None, start : start + block]
            array = (
                (samples * 32767).astype(np.int16)
                if kind.startswith("s16")
                else samples.astype(np.float32)
            )
            frame = av.AudioFrame.from_ndarray(array, kind, "mono")
            frame.sample_rate, frame.time_base, frame.pts = (
                RATE_HZ,
                Fraction(1, RATE_HZ),
                start + round(sound_at * RATE_HZ),
            )
            packets += voice.encode(frame)
        packets += voice.encode(None)
        for number in range(round((seconds - pictures_at) * fps)):
            time = pictures_at + number / fps
            level = 230 if flash_at - 1e-6 <= time < flash_at + FLASH_LENGTH_S - 1e-6 else 60
            picture = av.VideoFrame.from_ndarray(
                np.full((size[1], size[0], 3), level, np.uint8), "rgb24"
            )
            picture.pts, picture.time_base = round(time * fps), Fraction(1, fps)
            packets += film.encode(picture)
        packets += film.encode(None)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def beep_of(samples: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    """Seconds from the first sample to the beep."""
    hop = rate_hz // 500
    level = np.sqrt((samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2).mean(1))
    return float(np.argmax(level > 0.2)) * hop / rate_hz


def flash_of(frames: np.ndarray, times_s: np.ndarray) -> float:
    """When the first bright frame comes on."""
    bright = frames.reshape(len(frames), -1).mean(1) > 150
    return float(times_s[int(np.argmax(bright))])


def write_pictures(
    path: Path,
    pictures: np.ndarray,
    fps: int = 25,
    shown: list[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A film of pictures ``uint8 [T, H, W, 3]``, each shown at a tick of ``fps``; one after the
    other where none are said.
    """
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=fps, options=options or {"crf": "18"})
        film.height, film.width, film.pix_fmt = *pictures.shape[1:3], "yuv420p"
        film.thread_count = 1
        film.codec_context.time_base = Fraction(1, fps)
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = place if shown is None else shown[place]
            frame.time_base = Fraction(1, fps)
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
    return path


def drifting(count: int, height: int = 96, width: int = 128, step: int = 4) -> np.ndarray:
    """Pictures ``uint8 [count, height, width, 3]`` of a smooth pattern that drifts to the left."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(0, 2 * np.pi, (6, 3))
    rows, columns = np.mgrid[:height, : width + step * count]
    pattern = sum(
        np.sin(2 * np.pi * (columns * (1 + k) / 130 + rows * (3 - k) / 90) + phase[0])
        for k, phase in enumerate(waves)
    )
    pattern = np.uint8(128 + 18 * pattern)
    cut = [pattern[:, step * each : step * each + width] for each in range(count)]
    return np.repeat(np.stack(cut)[..., None], 3, axis=3)
