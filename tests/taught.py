"""A corpus that needs two modalities, and how a small model learns it; recipes of texts alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from modalmill.stages.media import image
from tiny import recipe, write

TRAIN: dict[str, Any] = {
    "target": "answer",
    "inputs": {"image": {"size": 32}, "question": {"length": 4}},
    "width": 32,
    "hidden": 32,
    "epochs": 12,
    "batch_size": 16,
    "learning_rate": 0.005,
    "modality_dropout": 0.1,
    "dropout": 0.0,
    "device": "cpu",
}


def corpus(root: Path, rows: int = 160) -> dict[str, Any]:
    """Grey pictures, and a question that asks for their brightness or the opposite: neither alone
    is enough.
    """
    lines = ["id,question,answer,split"]
    for number in range(rows):
        bright, turned = number % 2, number // 2 % 2
        level = 190 if bright else 60
        rng = np.random.default_rng(number)
        pixels = np.clip(rng.normal(level, 10, (32, 32, 3)), 0, 255).astype(np.uint8)
        write(root / "img" / f"{number}.jpg", image.encode_jpeg(pixels, 90))
        lines.append(
            f"{number},{'not bright' if turned else 'bright'},"
            f"{'yes' if bright != turned else 'no'},{'train' if number % 8 else 'test'}"
        )
    write(root / "t.csv", "\n".join(lines))
    return {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"question": "question"},
        "targets": ["answer"],
        "split": "{split}",
        "media": {"image": {"path": "img/{id}.jpg"}},
    }


def text_recipe(
    root: Path, rows: list[dict[str, Any]], kind: str = "targets", **train: Any
) -> dict[str, Any]:
    write(root / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    source = {
        "type": "jsonl",
        "path": "t.jsonl",
        "text": {"t": "text"},
        "split": "{split}",
        kind: ["label"],
    }
    small = {
        "target": "label",
        "inputs": {"t": {"encoder": "embedding", "length": 6}},
        "fusion": "concat",
        "epochs": 2,
        "width": 16,
        "hidden": 16,
    }
    return recipe(root, {"s": source}, train={**small, "device": "cpu", **train})


def rows_of(
    label: Callable[[int], Any],
    text: Callable[[int], str] = lambda number: f"word{number % 2}",
    count: int = 60,
) -> list[dict[str, Any]]:
    splits = ["train"] * 6 + ["val", "test"]
    return [
        {"text": text(number), "label": label(number), "split": splits[number % 8]}
        for number in range(count)
    ]
