"""Pictures that were spoiled on purpose are found by the limits that the documentation gives, and
photographs are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import yaml
from tiny import write

PAGE = Path(__file__).parents[4] / "docs" / "howto" / "find-bad-pictures.md"
_SPOILED_EACH, _AS_THEY_ARE_EACH = 26, 4  # of the photographs


def scaled(pixels: np.ndarray, times: float, way: int) -> np.ndarray:
    return cv2.resize(pixels, None, fx=times, fy=times, interpolation=way)


def noisy(pixels: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(int(pixels[0, 0, 0]))
    return (pixels + rng.normal(0, 20, pixels.shape)).clip(0, 255)


def halved(pixels: np.ndarray) -> np.ndarray:
    return scaled(pixels, 0.5, cv2.INTER_AREA)


# rule that is to find it -> how it is made of a photograph, and the quality it is saved with
SPOILED: Mapping[str, Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], int]]] = {
    "brightness": {
        "dark": (lambda pixels: pixels * 0.1, 90),
        "light": (lambda pixels: 255 - (255 - pixels) * 0.1, 90),
    },
    "sharpness": {"blurred": (lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 2), 90)},
    "solid": {"solid": (lambda pixels: np.zeros_like(pixels) + pixels[128, 128], 90)},
    "effective_resolution": {
        "bilinear2": (lambda pixels: scaled(halved(pixels), 2, cv2.INTER_LINEAR), 90),
        "bilinear4": (lambda pixels: scaled(halved(pixels), 4, cv2.INTER_LINEAR), 90),
        "bicubic2": (lambda pixels: scaled(pixels, 2, cv2.INTER_CUBIC), 90),
        "bicubic4": (lambda pixels: scaled(halved(pixels), 4, cv2.INTER_CUBIC), 90),
    },
    "blockiness": {"blocky": (lambda pixels: pixels, 10)},
    "noise": {"noisy": (noisy, 90)},
    "border": {
        "framed": (
            lambda pixels: cv2.copyMakeBorder(pixels, 32, 32, 0, 0, cv2.BORDER_CONSTANT),
            90,
        )
    },
}


def documented() -> dict[str, Any]:
    """The recipe as the page has it."""
    found = re.search(r'```yaml title="photos.yaml"\n(.*?)```', PAGE.read_text(), re.DOTALL)
    assert found
    recipe: dict[str, Any] = yaml.safe_load(found[1])
    return recipe


def test_what_was_spoiled_is_found_and_photographs_are_not(
    shared: Path, tmp_path: Path, run_recipe: Callable[..., Any]
) -> None:
    photographs = sorted((shared / "vqa_coco" / "Images").rglob("*.jpg"))
    for path in photographs[::_AS_THEY_ARE_EACH]:
        write(tmp_path / "photo" / path.name, path.read_bytes())
    for path in photographs[::_SPOILED_EACH]:
        pixels = cv2.imread(str(path))
        for spoil in SPOILED.values():
            for name, (change, quality) in spoil.items():
                spoiled = np.asarray(change(pixels)).round().clip(0, 255).astype(np.uint8)
                data = cv2.imencode(".jpg", spoiled, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
                write(tmp_path / name / path.name, data.tobytes())
    run_recipe({**documented(), "data": str(tmp_path), "shard": None, "tolerance": 1.0})
    table = pq.read_table(tmp_path / "out" / "signals.parquet").to_pandas()
    folder = table["file"].str.partition("/")[0]
    verdicts = {rule: table[f"clean.rules.photo.{rule}"] for rule in SPOILED}
    found = {
        kind: 1 - verdicts[rule][folder == kind].mean()
        for rule, kinds in SPOILED.items()
        for kind in kinds
    }
    kept = np.logical_and.reduce([verdict.fillna(True) for verdict in verdicts.values()])
    assert min(found.values()) >= 0.95, found
    assert 1 - kept[folder == "photo"].mean() <= 0.02
