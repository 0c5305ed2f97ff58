"""What a sample costs outside the decoder: the stream without workers and with a decoder that takes
no time, minus copying the crop.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from _task import BATCH, CROP
from with_modalmill import opened


def main() -> None:
    pixels = np.zeros((256, 341, 3), np.uint8)

    def decode(data: bytes, *more: Any, **options: Any) -> np.ndarray:
        return pixels

    simplejpeg.decode_jpeg = decode
    epochs = opened("images", Path(sys.argv[1]), 0, "main")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        count = sum(len(batch) for batch in epochs())
        times.append((time.perf_counter() - began) / count)
    batch = np.zeros((BATCH, CROP, CROP, 3), np.uint8)
    copies = []
    for _ in range(5):
        began = time.perf_counter()
        for number in range(count):
            batch[number % BATCH] = pixels[
                number % 32 : number % 32 + CROP, number % 117 : number % 117 + CROP
            ]
        copies.append((time.perf_counter() - began) / count)
    print(json.dumps({"stream_us": min(times) * 1e6, "copying_us": min(copies) * 1e6}))


if __name__ == "__main__":
    main()
