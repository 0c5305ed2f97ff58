"""Finding what is one: pictures that look the same among many frames of a clip, and recordings
after compression, resampling, noise and cutting.

Pictures: a moving scene with the noise of a sensor, 32 x 32 pixels as they are compared, all of
them one clip; and charts whose hashes are alike though no two look alike. Sounds: the wavs below
``--sounds`` (or noise that changes like speech), each beside a copy; a pair of others is false.
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import soundfile
import soxr
from _common import print_table, print_versions
from modalmill.stages.media import audio
from modalmill.stages.media.fingerprint import fingerprint_of, sound_alikes
from modalmill.stages.media.lookalikes import look_alikes
from modalmill.stages.modalities.audio.measure import measure_sound
from modalmill.stages.modalities.image.measure import hash_bits

Sound = tuple[np.ndarray, int]


def hash_of(pixels: np.ndarray) -> int:
    return int.from_bytes(hash_bits(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)).tobytes(), "big")


def clip(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames of one clip: a face-like blob that moves before a still background."""
    random = np.random.default_rng(0)
    background = cv2.GaussianBlur(random.uniform(0, 255, (32, 32, 3)), (0, 0), 4)
    background = (background - background.min()) / np.ptp(background) * 200 + 20
    rows, columns = np.mgrid[:32, :32]
    frames = np.empty((count, 32, 32, 3), np.uint8)
    for number in range(count):
        x, y = 16 + 2 * np.sin(number / 9), 16 + 1.5 * np.cos(number / 7)
        blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 40)[..., None]
        noisy = background * (1 - blob) + 180 * blob + random.normal(0, 1, (32, 32, 3))
        frames[number] = noisy.clip(0, 255)
    return frames, np.array([hash_of(frame) for frame in frames], np.uint64)


def charts(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat graphics, no two alike, whose hashes differ in at most six bits."""
    random = np.random.default_rng(0)
    pixels = np.full((count, 32, 32, 3), 255, np.uint8)
    hashes = np.full(count, random.integers(2**63), np.uint64)
    for number in range(count):
        for _ in range(4):
            x, y = random.integers(0, 24, 2)
            pixels[number, y : y + 6, x : x + 6] = random.integers(0, 255, 3)
        for bit in random.integers(0, 64, random.integers(0, 4)):
            hashes[number] ^= np.uint64(1) << np.uint64(bit)
    return pixels, hashes


def pictures(count: int) -> None:
    rows = []
    for name, (pixels, hashes) in (("frames of one clip", clip(count)), ("charts", charts(1748))):
        began = time.process_time()
        first = look_alikes(hashes, 8, lambda number, own=pixels: own[number])
        seconds = time.process_time() - began
        groups = len(np.unique(first))
        rows.append([name, f"{len(hashes):,}", f"{groups:,}", f"{seconds:.1f}"])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print_table(["pictures", "how many", "sets found", "CPU s"], rows)
    print(f"\nlargest resident memory {most:,.0f} MB, the pictures themselves among it\n")


def voice(seed: int) -> Sound:
    random = np.random.default_rng(seed)
    pieces = [
        np.convolve(random.normal(0, 0.05, 1600), random.normal(0, 1, 64), "same")
        for _ in range(50)
    ]
    return np.concatenate(pieces).clip(-1, 1).astype(np.float32), 16_000


def encoded(form: str, subtype: str | None = None) -> Callable[[np.ndarray, int], Sound]:
    def copy(samples: np.ndarray, rate_hz: int) -> Sound:
        buffer = io.BytesIO()
        if subtype == "OPUS":
            samples, rate_hz = soxr.resample(samples, rate_hz, 16_000), 16_000
        soundfile.write(buffer, samples, rate_hz, format=form, subtype=subtype)
        buffer.seek(0)
        return soundfile.read(buffer, dtype="float32")

    return copy


def noisy(ratio_db: float) -> Callable[[np.ndarray, int], Sound]:
    def copy(samples: np.ndarray, rate_hz: int) -> Sound:
        # each sound has noise of its own, for noise that two of them share is alike
        seed = int(np.abs(samples).sum(dtype=np.float64) * 1e6)
        noise = np.random.default_rng(seed).standard_normal(len(samples), np.float32)
        level = float(np.square(samples).mean()) ** 0.5 * 10 ** (-ratio_db / 20)
        return samples + np.float32(level) * noise, rate_hz

    return copy


COPIES: dict[str, Callable[[np.ndarray, int], Sound]] = {
    "mp3": encoded("MP3"),
    "vorbis": encoded("OGG", "VORBIS"),
    "opus": encoded("OGG", "OPUS"),
    "8 kHz": lambda samples, rate_hz: (soxr.resample(samples, rate_hz, 8000), 8000),
    "12 dB quieter": lambda samples, rate_hz: (0.25 * samples, rate_hz),
    "noise at 20 dB": noisy(20),
    "noise at 10 dB": noisy(10),
    "the middle 60 %": lambda samples, rate_hz: (
        samples[len(samples) // 5 : 4 * len(samples) // 5],
        rate_hz,
    ),
}


def sounds(folder: Path | None) -> None:
    measuring = 0.0
    if folder is None:
        own = [voice(seed) for seed in range(60)]
    else:
        began = time.process_time()
        for path in sorted(folder.rglob("*.wav")):
            measure_sound(path)
        measuring = time.process_time() - began
        decoded = [audio.decode(path) for path in sorted(folder.rglob("*.wav"))]
        own = [(sound.mono(), sound.rate_hz) for sound in decoded]
    began = time.process_time()
    prints = [fingerprint_of(*sound) for sound in own]
    seconds = time.process_time() - began
    length = sum(len(samples) / rate_hz for samples, rate_hz in own)
    rows = []
    for name, copy in COPIES.items():
        copies = [fingerprint_of(*copy(*sound)) for sound in own]
        pairs = sound_alikes([*prints, *copies])
        right = [errors for one, other, errors in pairs if other == one + len(own)]
        wrong = len(pairs) - len(right)
        mean = f"{np.mean(right):.3f}" if right else "-"
        rows.append([name, f"{len(right)} of {len(own)}", str(wrong), mean])
    print_table(["copy", "found", "false pairs", "bits that differ"], rows)
    share = f", {seconds / measuring:.0%} of measuring them" if measuring else ""
    print(
        f"\nfingerprints of {length:,.0f} s of sound: {length / seconds:,.0f} s a CPU second{share}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50_000, help="frames of the clip")
    parser.add_argument("--sounds", type=Path, help="a folder of wavs of your own")
    options = parser.parse_args()
    pictures(options.size)
    sounds(options.sounds)
    print_versions("numpy", "scipy", "opencv-python-headless", "soundfile", "soxr")


if __name__ == "__main__":
    main()
