"""What every measured loader shares: the same decoding, the same clock, the same load beside it.

Run as ``python benchmarks/loaders/NAME.py KIND FOLDER [--workers N] [--epochs N] [--hold SHARE]
[--option VALUE]``; each prints one line of JSON. Kinds: ``images`` (random 224-pixel crops, uint8,
simplejpeg), ``normalised`` (the same as float32 by ImageNet's means and deviations), ``users`` (cv2
and numpy, as users write it), ``bytes`` (undecoded), ``features`` (512 float16), ``sound``,
``frames``, ``clips``, ``mixed``, ``step`` (``images`` and a training step with each batch).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

BATCH, CROP, DIMS = 64, 224, 512
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def corner(height: int, width: int) -> tuple[int, int]:
    """Top and left of a random crop."""
    return random.randint(0, height - CROP), random.randint(0, width - CROP)


def crop(data: bytes) -> np.ndarray:
    """simplejpeg and a random crop, uint8 [H, W, C]."""
    pixels = simplejpeg.decode_jpeg(data)
    top, left = corner(*pixels.shape[:2])
    return pixels[top : top + CROP, left : left + CROP]


def crop_normalised(data: bytes) -> np.ndarray:
    """The same, normalised as most people write it, float32 [C, H, W]."""
    return np.ascontiguousarray(
        (((crop(data).astype(np.float32) / 255) - MEAN) / STD).transpose(2, 0, 1)
    )


def crop_users(data: bytes) -> np.ndarray:
    """cv2, blue-green-red turned round, normalised, float32 [C, H, W]."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    top, left = corner(*pixels.shape[:2])
    window = pixels[top : top + CROP, left : left + CROP].astype(np.float32) / 255
    return np.ascontiguousarray(((window - MEAN) / STD).transpose(2, 0, 1))


DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    "images": crop,
    "step": crop,
    "normalised": crop_normalised,
    "users": crop_users,
}


def training_step() -> Callable[[Any], None]:
    """One step of SGD for a small convolutional network on a batch of uint8 images, on one core."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(7)
    layers: list[torch.nn.Module] = []
    for inside, outside, stride in ((3, 16, 4), (16, 32, 2), (32, 64, 2)):
        layers += [
            torch.nn.Conv2d(inside, outside, 3, stride, 1),
            torch.nn.BatchNorm2d(outside),
            torch.nn.ReLU(),
        ]
    model = torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(images: torch.Tensor) -> None:
        optimizer.zero_grad()
        outputs = model(images.permute(0, 3, 1, 2).float() / 255)
        torch.nn.functional.cross_entropy(
            outputs, torch.zeros(len(images), dtype=torch.long)
        ).backward()
        optimizer.step()

    return step


def hold_interpreter(share: float) -> None:
    """From now on, keep Python's lock for this share of every 10 ms, in a thread of its own."""

    def burn() -> None:
        while True:
            began = time.perf_counter()
            while time.perf_counter() - began < 0.01 * share:
                pass
            time.sleep(0.01 * (1 - share))

    threading.Thread(target=burn, daemon=True).start()


Epochs = Callable[[], Iterable[Any]]


def main(prepare: Callable[[Path], None], opened: Callable[..., Epochs]) -> None:
    """Prepare the folder, or open it and read epochs. ``opened`` gives a function that gives the
    batches of the next epoch.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--hold", type=float, default=0.0)
    parser.add_argument("--option", default="", help="which variant of the loader")
    options = parser.parse_args()
    if options.kind == "prepare":
        prepare(options.folder)
        return
    step = training_step() if options.kind == "step" else None
    if options.hold:
        hold_interpreter(options.hold)
    began = time.perf_counter()
    epochs = opened(options.kind, options.folder, options.workers, options.option)
    first, samples, head, stepping = 0.0, 0, 0, 0.0
    turns = []
    for _ in range(options.epochs):
        turn = time.perf_counter()
        count = 0
        for batch in epochs():
            count += len(batch)
            if not first:
                first, head = time.perf_counter() - began, count
            if step is not None:
                at = time.perf_counter()
                step(batch)
                stepping += time.perf_counter() - at
        samples += count
        turns.append(count / (time.perf_counter() - turn))
    if not samples:
        sys.exit("no samples came")
    seconds = time.perf_counter() - began
    figures = {
        "first_s": first,
        "rate": samples / seconds,
        "later": (samples - head) / (seconds - first),
        "last_epoch": turns[-1],
    }
    print(json.dumps({**figures, "stepping": stepping / seconds, "samples": samples}), flush=True)
