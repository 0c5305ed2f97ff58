"""A trained model on shards that fit it, and on those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.progress import Progress
from modalmill.pipeline.run import Result, run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.train.evaluation.evaluate import evaluate, table_text
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.options import TrainOptions
from modalmill.stages.train.use.export import export
from tiny import csv_source, recipe, write


def test_a_question_that_needs_both_modalities_is_learned(trained: Path) -> None:
    report = evaluate(trained / "out" / "training" / "best.pt", trained / "out" / "shards", "test")
    assert report["all"] >= 0.95
    assert report["subsets"]["image"]["accuracy"] <= 0.75
    assert report["subsets"]["question"]["accuracy"] <= 0.75
    assert len(report["subsets"]) == 4
    assert "image+question" in table_text(report)
    reliability = report["reliability"]
    assert reliability["ece"] == report["subsets"]["image+question"]["ece"]
    assert sum(own["records"] for own in reliability["bins"]) == report["records_with_target"]
    score = sum(own["records"] * own["score"] for own in reliability["bins"])
    assert score / report["records_with_target"] == pytest.approx(report["all"])
    losses = [worst["loss"] for worst in report["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == min(12, report["records_with_target"])
    assert losses[0] > report["subsets"]["image+question"]["loss"] > 0
    assert {worst["right"] for worst in report["worst"]} <= {"yes", "no"}
    for name in ("log.jsonl", "evaluation.json", "evaluation.png", "last.pt"):
        assert (trained / "out" / "training" / name).is_file()


def test_the_evaluation_of_another_split_is_written_beside_the_first(
    trained: Path, tmp_path: Path
) -> None:
    out = trained / "out"
    best = out / "training" / "best.pt"
    done = here("evaluate", best, out, "--split", "train", "--out", tmp_path / "t")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == [
        f"evaluation-train.{ending}" for ending in ("json", "png", "txt")
    ]
    report = json.loads((tmp_path / "t" / "evaluation-train.json").read_text())
    assert report["split"] == "train"


def test_evaluation_on_shards_that_lack_a_part_of_the_model(
    trained: Path, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,question,answer\n1,bright,yes\n2,not bright,no\n")
    source = csv_source("question", targets=["answer"])
    run_recipe(recipe(tmp_path / "raw", {"t": source}))
    report = evaluate(trained / "out" / "training" / "best.pt", tmp_path / "out" / "shards")
    assert report["present"] == {"image": 0, "question": 2}


def test_a_finished_run_is_not_evaluated_again(trained: Path) -> None:
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import load_recipe

    before = (trained / "out" / "training" / "evaluation.json").stat().st_mtime_ns
    recipe_again, root = load_recipe(trained / "out" / "recipe.yaml")
    result = run(make_plan(recipe_again, root), trained / "out", "serial")
    assert result.training is not None
    assert (trained / "out" / "training" / "evaluation.json").stat().st_mtime_ns == before
    again = run(make_plan(recipe_again, root), trained / "out", "serial", resume=False)
    assert (trained / "out" / "training" / "evaluation.json").stat().st_mtime_ns > before
    assert again.training == result.training


def test_features_of_another_extractor_are_refused(tmp_path: Path) -> None:
    """A model knows what made the vectors it was trained on; another size, or another fit, is no
    input for it.
    """
    lines = ["id,text,kind,split"]
    lines += [
        f"{number},{'big' if number % 2 else 'small'} thing"
        f" {number % 7},{number % 2},{'train' if number % 4 else 'test'}"
        for number in range(60)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("text", targets=["kind"], split="{split}")
    section = {
        "target": "kind",
        "inputs": {"text": {"feature": True}},
        "fusion": "mean",
        "width": 16,
        "epochs": 1,
        "device": "cpu",
        "checks": False,
    }

    def go(size: int, out: Path, **more: Any) -> list[str]:
        said: list[str] = []
        value = recipe(
            tmp_path, {"t": source}, features={"text": {"features.text": {"size": size}}}, **more
        )
        run(make_plan(parse_recipe(value), tmp_path), out, "serial", progress=Progress(quiet=True))
        if (out / "shards").exists():
            train(TrainOptions(**section), out / "shards", out / "training", 0, said.append)
        return said

    go(64, tmp_path / "one", shard={})
    go(32, tmp_path / "two", shard={})
    best = tmp_path / "one" / "training" / "best.pt"
    assert evaluate(best, tmp_path / "one")["records"] == 15
    exported = export(best, tmp_path / "m.onnx", shards=tmp_path / "one")["scores"]["subsets"]
    assert {name: cell["file"] for name, cell in exported.items()} == {
        name: cell["model"] for name, cell in exported.items()
    }
    with pytest.raises(
        InputError,
        match=r"these features of 'text' were not made as those the model was trained on"
        r".*\(32, not 64\)",
    ):
        evaluate(best, tmp_path / "two")
    other = torch.load(best, weights_only=True)
    about = json.loads(other["about"])
    about["caches"]["text"]["fit"] = "another"
    torch.save({**other, "about": json.dumps(about)}, tmp_path / "other.pt")
    said: list[str] = []
    train(
        TrainOptions(**section, start=str(tmp_path / "other.pt")),
        tmp_path / "one" / "shards",
        tmp_path / "t",
        0,
        said.append,
    )
    assert any(
        "the encoder of text begins anew: its cached features are of another extractor" in line
        for line in said
    )
    with pytest.raises(
        InputError, match="train a model that is to serve other corpora on the text itself"
    ):
        evaluate(tmp_path / "other.pt", tmp_path / "one")
    assert any(
        "the cached features of text have changed" in line
        for line in go(32, tmp_path / "one", shard={})
    )
    (tmp_path / "two" / "features").rename(tmp_path / "two" / "elsewhere")
    with pytest.raises(InputError, match="no cached features of 'text' here"):
        evaluate(best, tmp_path / "two")
