"""Training learns, resumes as if it had never been stopped, and says what was missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import here
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.stages.stream import FusionBatch, Labels, open_stream
from modalmill.stages.train.data.hiding import shown_in_training as shown
from modalmill.stages.train.evaluation.evaluate import evaluate, table_text
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.options import TrainOptions
from modalmill.stages.train.use.predict import Predictor
from taught import TRAIN
from tiny import recipe, write


def test_a_question_that_needs_both_modalities_is_learned(trained: Path) -> None:
    report = evaluate(trained / "out" / "training" / "best.pt", trained / "out" / "shards", "test")
    assert report["all"] >= 0.95
    assert report["subsets"]["image"]["accuracy"] <= 0.75
    assert report["subsets"]["question"]["accuracy"] <= 0.75
    assert len(report["subsets"]) == 4
    assert "image+question" in table_text(report)
    for name in ("log.jsonl", "evaluation.json", "evaluation.png", "last.pt"):
        assert (trained / "out" / "training" / name).is_file()


def test_prediction_says_what_it_lacked(trained: Path) -> None:
    path = trained / "out" / "training" / "best.pt"
    whole = Predictor(path).one({"image": str(trained / "img" / "1.jpg"), "text": "bright"})
    assert whole["answers"][0]["answer"] == "yes"
    assert whole["missing"] == []
    assert sum(entry["probability"] for entry in whole["answers"]) == pytest.approx(1.0, abs=1e-5)
    assert Predictor(path).one({"text": "bright"})["missing"] == ["image"]
    assert Predictor(path).one({})["used"] == []


def test_mistakes_in_prediction_are_one_clear_error(trained: Path, tmp_path: Path) -> None:
    path = trained / "out" / "training" / "best.pt"
    with pytest.raises(InputError, match="this model has no audio part"):
        Predictor(path).one({"audio": "a.wav"})
    with pytest.raises(InputError, match="there is no such file"):
        Predictor(path).one({"image": "nowhere.jpg"})
    with pytest.raises(InputError, match="begins with"):
        Predictor(path).one({"image": str(write(tmp_path / "x.jpg", "text"))})
    for data in (b"no", b""):
        with pytest.raises(InputError, match="not a checkpoint"):
            Predictor(write(tmp_path / "x.pt", data)).one({})


def test_a_checkpoint_runs_no_code_when_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"modalmill": 1, "about": Trap()}, tmp_path / "evil.pt")
    with pytest.raises(InputError):
        checkpoint.read(tmp_path / "evil.pt")
    assert not (tmp_path / "sprung").exists()


def test_a_run_stopped_between_epochs_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions.model_validate({**TRAIN, "epochs": 4})
    shards = trained / "out" / "shards"
    train(options, shards, tmp_path / "whole", 3, lambda text: None)
    real, calls = checkpoint.save, [0]

    def stop_after_two(*arguments: Any) -> None:
        real(*arguments)
        if arguments[0].name == "last.pt":
            calls[0] += 1
            if calls[0] == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(options, shards, tmp_path / "stopped", 3, lambda text: None)
    monkeypatch.setattr(checkpoint, "save", real)
    train(options, shards, tmp_path / "stopped", 3, lambda text: None)
    one, other = (
        checkpoint.read(tmp_path / name / "last.pt").model for name in ("whole", "stopped")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "stopped" / "last.pt").read_bytes() == (
        tmp_path / "whole" / "last.pt"
    ).read_bytes()
    assert len((tmp_path / "stopped" / "log.jsonl").read_text().splitlines()) == 4


def test_a_checkpoint_of_other_options_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    shards = trained / "out" / "shards"
    said: list[str] = []
    for width in (16, 32):
        train(
            TrainOptions.model_validate({**TRAIN, "epochs": 1, "width": width}),
            shards,
            tmp_path / "t",
            3,
            said.append,
        )
    assert not any("resumed" in line for line in said)
    assert sum("starting anew" in line for line in said) == 1
    assert len((tmp_path / "t" / "log.jsonl").read_text().splitlines()) == 1
    assert checkpoint.load(tmp_path / "t" / "best.pt").options.width == 32


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
)
def test_modality_dropout_hides_only_what_is_there_and_never_all_of_it(
    present: list[list[bool]], share: float, epoch: int
) -> None:
    rows = len(present)
    one = FusionBatch(
        ("a", "b", "c"),
        Labels([str(row) for row in range(rows)], ["{}"] * rows),
        {},
        {},
        {},
        torch.tensor(present),
        torch.ones(rows),
    )
    seen = shown(one, share, 7, epoch)
    assert not (seen & ~one.present_BM).any()
    assert (seen.any(1) == one.present_BM.any(1)).all()
    again = shown(
        FusionBatch(
            ("a", "b", "c"),
            Labels(one.keys[::-1], one.labels.targets),
            {},
            {},
            {},
            one.present_BM.flip(0),
            one.weight_B,
        ),
        share,
        7,
        epoch,
    )
    assert torch.equal(again.flip(0), seen)


def test_the_share_of_hidden_parts_is_what_was_asked_for() -> None:
    rows = 4000
    one = FusionBatch(
        ("a", "b"),
        Labels([str(row) for row in range(rows)], ["{}"] * rows),
        {},
        {},
        {},
        torch.ones(rows, 2, dtype=torch.bool),
        torch.ones(rows),
    )
    kept = shown(one, 0.3, 0, 0).float().mean().item()
    # hidden with .3, but one of the two comes back where both were
    assert abs(kept - (1 - 0.3 + 0.3**2 / 2)) < 0.02


def test_regression_and_cached_features_train_too(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = ["id,text,size"] + [
        f"{number},{'big' if number % 2 else 'small'} thing {number % 5},{10 + 80 * (number % 2)}"
        for number in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"text": "text"},
        "numbers": ["size"],
    }
    options = {
        "task": "regression",
        "target": "size",
        "inputs": {"text": {"feature": True}},
        "fusion": "concat",
        "width": 16,
        "epochs": 30,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    result = run_recipe(
        recipe(
            tmp_path,
            {"t": source},
            stages,
            features={"text": {"features.text": {"size": 64}}},
            train=options,
        )
    )
    assert result.training is not None
    assert -result.training["all"] < 10 < -result.training["commonest_answer"]
    log = [
        json.loads(line)
        for line in (tmp_path / "out" / "training" / "log.jsonl").read_text().splitlines()
    ]
    assert log[-1]["loss"] < log[0]["loss"]
    deviation = torch.load(tmp_path / "out" / "training" / "best.pt", weights_only=True)["model"][
        "encoders.text.deviation_F"
    ]
    assert deviation.unique().numel() == 1, "words keep their sizes against one another"


@pytest.mark.parametrize(("reduce", "rank"), [("pca", 4), ("lda", 1)])
def test_features_along_fitted_axes_train_too(
    reduce: str, rank: int, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = ["id,text,kind"] + [
        f"{number},{'big' if number % 2 else 'small'} thing"
        f" {number % 5},{'b' if number % 2 else 's'}"
        for number in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"text": "text"},
        "targets": ["kind"],
    }
    options = {
        "target": "kind",
        "inputs": {"text": {"feature": True, "reduce": reduce, "rank": rank}},
        "fusion": "mean",
        "width": 16,
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    whole = recipe(
        tmp_path,
        {"t": source},
        stages,
        features={"text": {"features.text": {"size": 64}}},
        train=options,
    )
    result = run_recipe(whole)
    assert result.training is not None
    assert result.training["all"] == 1.0
    options["inputs"]["text"]["rank"] = 500  # type: ignore[index]  # a mapping
    with pytest.raises(InputError, match="train.inputs.text.rank: wanted 500"):
        run_recipe(whole)


def test_evaluation_on_shards_that_lack_a_part_of_the_model(
    trained: Path, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,question,answer\n1,bright,yes\n2,not bright,no\n")
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"question": "question"},
        "targets": ["answer"],
    }
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "cuda:97"}, "cannot be used here"),
        ({"device": "fast"}, "cannot be used here"),
        ({"precision": "fp16"}, "needs a GPU"),
        ({"task": "regression"}, "holds words"),
    ],
)
def test_what_this_machine_or_target_cannot_do_is_one_clear_error(
    trained: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train(
            TrainOptions.model_validate(TRAIN | change),
            trained / "out" / "shards",
            tmp_path / "t",
            3,
            lambda text: None,
        )


def test_a_checkpoint_that_cannot_be_read_costs_its_training_and_nothing_else(
    trained: Path, tmp_path: Path
) -> None:
    write(
        tmp_path / "t" / "last.pt", (trained / "out" / "training" / "last.pt").read_bytes()[:3000]
    )
    said: list[str] = []
    options = TrainOptions.model_validate(TRAIN | {"epochs": 1})
    train(options, trained / "out" / "shards", tmp_path / "t", 3, said.append)
    assert "not a checkpoint that modalmill wrote" in said[0]
    assert "starting anew" in said[0]
    assert (tmp_path / "t" / "best.pt").is_file()


def test_rows_of_a_csv_are_answered_and_what_is_broken_is_told(
    trained: Path, tmp_path: Path
) -> None:
    write(tmp_path / "broken.jpg", b"\xff\xd8\xff no picture")
    picture = trained / "img" / "1.jpg"
    write(
        tmp_path / "rows.csv",
        f"key,image,question\nfirst,{picture},bright\nsecond,,bright\nthird,broken.jpg,bright\n"
        ",nowhere.jpg,\n",
    )
    done = here("predict", trained / "out" / "training" / "best.pt", "--csv", tmp_path / "rows.csv")
    assert done.returncode == 0, done.stderr
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())
    assert first["answers"][0]["answer"] == "yes"
    assert (first["key"], first["used"], first["missing"]) == ("first", ["image", "question"], [])
    assert (second["used"], second["missing"]) == (["question"], ["image"])
    assert "damaged" not in second
    assert third["used"] == ["question"]
    assert set(third["damaged"]) == {"image"}
    assert second["answers"] == third["answers"]
    assert fourth["key"] == "rows.csv:5"
    assert fourth["damaged"] == {"image": "there is no such file"}
    assert "ms a record in the middle (p50)" in done.stderr
    for text, told in (
        (
            "a,b\n1,2\n",
            "no column is called like a part of the model (image, question); found a, b",
        ),
        ("", "found none"),
    ):
        done = here(
            "predict",
            trained / "out" / "training" / "best.pt",
            "--csv",
            write(tmp_path / "wrong.csv", text),
        )
        assert done.returncode == 1
        assert told in done.stderr


def test_records_of_shards_are_answered_as_they_were_evaluated(trained: Path) -> None:
    best = trained / "out" / "training" / "best.pt"
    done = here("predict", best, "--shards", trained / "out", "--split", "test")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    stored = open_stream(trained / "out" / "shards", "test", parts=["question"], shuffle=False)
    wanted = {
        key: target["answer"]
        for batch in stored
        for key, target in zip(batch.keys, batch.targets(), strict=True)
        if key
    }
    assert {row["key"] for row in rows} == set(wanted)
    right = sum(row["answers"][0]["answer"] == wanted[row["key"]] for row in rows) / len(rows)
    assert right == pytest.approx(evaluate(best, trained / "out" / "shards", "test")["all"])
    assert here("predict", best, "--shards", trained / "out", "--csv", "x.csv").returncode == 2
