"""The output folder: every place in it has a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modalmill.schemas.layout import RunFolder, WorkFolder
from modalmill.stages.train.data.inputs import features_of, shards_of
from tiny import recipe, vqa_corpus


def places(folder: RunFolder | WorkFolder) -> dict[str, Path]:
    """What a folder names, by name."""
    named = {
        name: getattr(folder, name)
        for name, value in vars(type(folder)).items()
        if isinstance(value, property)
    }
    return {
        name: place.root if isinstance(place, WorkFolder) else place
        for name, place in named.items()
    }


def test_all_that_a_run_writes_lies_in_a_place_that_has_a_name(
    tmp_path: Path, run_recipe: Callable[..., Any]
) -> None:
    run_recipe(
        recipe(
            tmp_path,
            {"vqa": vqa_corpus(tmp_path, images=4)},
            stages=["clean.image", "clean.text", "align.split"],
            features={"question": "features.text"},
            shard={},
        )
    )
    run = RunFolder(tmp_path / "out")
    for folder in (run, run.work):
        named = {place.relative_to(folder.root).parts[0] for place in places(folder).values()}
        assert {path.name for path in folder.root.iterdir()} <= named
    there = {name for name, place in places(run).items() if place.exists()}
    on_demand = {"training", "compare", "measured", "duplicates", "labels", "similarity", "report"}
    assert there == set(places(run)) - on_demand
    there = {name for name, place in places(run.work).items() if place.exists()}
    assert there >= set(places(run.work)) - {"building", "planned", "measured_note", "before"}


def test_shards_and_features_of_a_run_find_each_other(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert shards_of(tmp_path) == run.shards
    assert features_of(run.shards) == run.features


def test_no_two_places_are_the_same() -> None:
    run = RunFolder(Path("out"))
    every = [*places(run).values(), *places(run.work).values()]
    assert len(set(every)) == len(every)
