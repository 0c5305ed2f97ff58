"""Recipes that several tests of the pipeline run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny import csv_source, jpeg, recipe, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``r.yaml``: pictures that say nothing, and notes that say all, in three splits."""
    root = tmp_path_factory.mktemp("compare")
    lines = ["id,note,answer,split"]
    for number in range(240):
        write(root / "img" / f"{number}.jpg", jpeg(seed=number))
        lines.append(
            f"{number},{'up' if number % 2 else 'down'},{'yes' if number % 2 else 'no'},"
            f"{('train', 'train', 'val', 'test')[number // 2 % 4]}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = csv_source(
        "note", targets=["answer"], split="{split}", media={"image": {"path": "img/{id}.jpg"}}
    )
    train = {
        "target": "answer",
        "inputs": {"image": {"size": 16, "encoder": "cnn"}, "note": {"length": 2}},
        "fusion": "attention",
        "width": 16,
        "hidden": 16,
        "epochs": 8,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
        "checks": False,
    }
    write(root / "r.yaml", yaml.safe_dump(recipe(root, {"t": source}, shard={}, train=train)))
    return root
