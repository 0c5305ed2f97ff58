"""Answers to files, rows and records, and what they lacked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import here
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.stages.stream import open_stream
from modalmill.stages.train.evaluation.evaluate import evaluate, table_text
from modalmill.stages.train.model.objectives.regression import Regression
from modalmill.stages.train.use.predict import Predictor, prediction_text
from taught import rows_of, text_recipe
from tiny import csv_source, recipe, write


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


Run = Callable[..., Result]


def test_numbers_are_shown_with_the_digits_that_matter_and_without_a_probability(
    tmp_path: Path, run_recipe: Run
) -> None:
    value = text_recipe(
        tmp_path,
        rows_of(lambda number: 1_600_000_000 + 1000 * (number % 2)),
        "numbers",
        task="regression",
    )
    run_recipe(value)
    found = Predictor(tmp_path / "out" / "training" / "best.pt").one({"text": "word1"})
    assert "probability" not in found["answers"][0]
    assert "%" not in prediction_text(found)
    assert 1_599_990_000 < float(found["answers"][0]["answer"]) < 1_600_010_000
    small = Regression("x", 0.0123, 0.0001).answers(torch.tensor([[1.0]]), 1)
    assert small[0][0] == ("0.0124", None)


def test_a_csv_that_is_not_whole_is_refused_and_no_row_of_it_lost(
    trained: Path, tmp_path: Path
) -> None:
    best = trained / "out" / "training" / "best.pt"
    for text, told in (
        ('key,question\na,"never closed\nb,bright\n', "cannot be read as CSV"),
        ("key,question\na,bright\nb,dark, or not\n", "row 3 has more cells than the header"),
        ("key,question,question\na,bright,dark\n", "the column 'question' stands there twice"),
    ):
        path = write(tmp_path / "q.csv", text)
        with pytest.raises(InputError, match=told):
            list(Predictor(best).rows(path))


def test_a_part_is_given_once_and_nothing_is_no_part(trained: Path) -> None:
    predictor = Predictor(trained / "out" / "training" / "best.pt")
    with pytest.raises(InputError, match="the part 'question' is given twice"):
        predictor.one({"text": "bright", "question": "dark"})
    assert predictor.one({"text": ""})["used"] == []


def test_targets_that_training_had_none_of_are_counted(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    rows = [f"{n},{'bright' if n % 2 else 'dark'},{'ab'[n % 2]},train" for n in range(40)]
    rows += [f"{40 + n},bright,{'c' if n < 6 else 'b'},val" for n in range(10)]
    write(tmp_path / "t.csv", "\n".join(["id,note,label,split", *rows]) + "\n")
    source = {**csv_source("note", targets=["label"]), "split": "{split}"}
    train = {
        "target": "label",
        "inputs": {"note": {}},
        "epochs": 2,
        "device": "cpu",
        "checks": False,
    }
    result = run_recipe(recipe(tmp_path, {"t": source}, shard={}, train=train))
    report = evaluate(result.out / "training" / "best.pt", result.out / "shards", "val")
    assert (report["records_with_target"], report["unknown_targets"]) == (10, 6)
    assert report["all"] <= 0.4
    assert "6 of them have a target that is none of the model's answers" in " ".join(
        table_text(report).split()
    )
