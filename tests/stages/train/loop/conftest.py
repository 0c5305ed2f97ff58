"""Shards that the tests of the loop train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.recipe import parse_recipe
from tiny import csv_source, jpeg, recipe, write
from trainings import Trainers


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("engine")
    lines = ["id,note,answer,split"]
    for number in range(120):
        if number % 5:
            write(root / "img" / f"{number}.jpg", jpeg(seed=number))
        split = "test" if number % 10 == 0 else "val" if number % 10 == 1 else "train"
        lines.append(
            f"{number},{'up it' if number % 2 else 'down'},{'yes' if number % 2 else 'no'},{split}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = csv_source(
        "note", targets=["answer"], split="{split}", media={"image": {"path": "img/{id}.jpg"}}
    )
    run(
        make_plan(parse_recipe(recipe(root, {"t": source}, shard={})), root), root / "out", "serial"
    )
    return root / "out" / "shards"


@pytest.fixture(scope="session")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainers]:
    made = Trainers(tmp_path_factory.mktemp("trainers"))
    yield made
    made.close()
