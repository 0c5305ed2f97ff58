"""Which variants a sweep makes, and what they share."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from modalmill.pipeline.variants import PreparedData, data_of, variants_of
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.recipe import load_recipe
from tiny import csv_source, recipe, write


def test_values_are_combined_and_each_rule_left_out_alone() -> None:
    names = [
        own.name for own in variants_of(["a.b=1,2", "c=[3,4],'5,6'"], ["clean.x", "clean.y.z"])
    ]
    values = [f"a.b={one}, c={other}" for one in (1, 2) for other in ("[3,4]", "'5,6'")]
    ends = ["", ", without clean.x", ", without clean.y.z"]
    assert names == [value + end for value in values for end in ends]


def test_nothing_asked_for_is_the_recipe_as_it_is_and_values_are_tried_once() -> None:
    assert [own.name for own in variants_of([], [])] == [""]
    assert [own.name for own in variants_of([], ["clean.x"])] == ["", "without clean.x"]
    assert [own.name for own in variants_of(["a=1,1,2", "a=1,1,2"], [])] == ["a=1", "a=2"]


@pytest.mark.parametrize("text", ["a", "a=", "a=1,,2", "=1,2", "a=1,"])
def test_a_sweep_without_values_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match="wanted name=value,value"):
        variants_of([text], [])


def test_more_variants_than_anybody_waits_for_are_refused() -> None:
    sweeps = [f"{name}=1,2,3,4,5" for name in "abc"]
    with pytest.raises(RecipeError, match="they make 125 variants, and at most 64"):
        variants_of(sweeps, [])


def test_variants_of_training_share_the_data_and_others_have_their_own(tmp_path: Path) -> None:
    train = {"target": "answer", "inputs": {"note": {}}, "width": 16}
    stages = [{"clean.text": {"min_words": 1}}]
    whole = recipe(tmp_path, {"t": csv_source("note", targets=["answer"])}, stages, train=train)
    path = write(tmp_path / "r.yaml", yaml.safe_dump(whole))
    prepared = PreparedData(tmp_path / "out", data_of(*load_recipe(path)))

    def folder(sweep: str) -> list[Path]:
        variants = variants_of([sweep], [])
        return [prepared.folder(data_of(*own.load(path, ())), own.name) for own in variants]

    assert folder("train.width=8,16") == [tmp_path / "out"] * 2
    one, other = folder("stages.clean.text.min_words=1,3")
    assert one == tmp_path / "out"
    assert other.parent == tmp_path / "out" / "compare" / "data"
    assert folder("stages.clean.text.min_words=3") == [other]
    with pytest.raises(RecipeError, match=r"--sweep stages.clean.txt.min_words=2: no entry"):
        folder("stages.clean.txt.min_words=2")
