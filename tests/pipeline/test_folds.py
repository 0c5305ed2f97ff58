"""Each fold is tested by a model of the others, by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import yaml
from commands import here
from tiny import csv_source, recipe, write


def command(folder: Path, *words: str) -> CompletedProcess[str]:
    return here(*words, cwd=folder)


VALIDATION = list(enumerate([("up", "yes"), ("down", "no")] * 5))
WRONG = {"1": 0, "2": 6, "10": 9}  # of the 30 records of each fold, labelled against their word


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three official folds, of which a linear model of the words answers 30, 24 and 21 of 30."""
    root = tmp_path_factory.mktemp("folds")
    lines = ["id,note,answer,fold"]
    for fold, wrong in WRONG.items():
        for number in range(30):
            is_up = number % 2 == 0
            answer = "yes" if is_up != (number < wrong) else "no"
            lines.append(f"{fold}-{number},{'up' if is_up else 'down'},{answer},{fold}")
    write(root / "t.csv", "\n".join(lines))
    write_recipe(root, "r.yaml", {"by": "fold"})
    return root


def write_recipe(root: Path, name: str, split: dict[str, Any] | None, **train: Any) -> None:
    source = csv_source("note", targets=["answer", "fold"])
    options = {
        "target": "answer",
        "inputs": {"note": {"length": 2, "encoder": "embedding"}},
        "fusion": "mean",
        "width": 8,
        "hidden": 8,
        "epochs": 8,
        "batch_size": 10,
        "learning_rate": 0.05,
        "device": "cpu",
        "checks": False,
        **train,
    }
    stages = [] if split is None else [{"align.split": split}]
    made = recipe(root, {"t": source}, stages, shard={}, train=options)
    write(root / name, yaml.safe_dump(made))


def test_each_fold_is_tested_by_a_model_of_the_others(folded: Path) -> None:
    done = command(folded, "compare", "r.yaml", "--folds", "--out", "out")
    assert done.returncode == 0, done.stderr
    found = json.loads((folded / "out" / "folds.json").read_text())
    assert found["folds"] == ["fold1", "fold2", "fold10"]
    (row,) = found["methods"]
    known = [1 - wrong / 30 for wrong in WRONG.values()]
    assert [own["accuracy"] for own in row["folds"].values()] == pytest.approx(known)
    assert row["all"] == pytest.approx(np.mean(known))
    assert row["deviation"] == pytest.approx(np.std(known, ddof=1))
    assert (row["records"], row["pooled"]) == (90, pytest.approx(75 / 90))
    evaluated = []
    for fold in found["folds"]:
        own = folded / "out" / "compare" / "recipe" / f"{fold}-seed0"
        kept = json.loads((own / "evaluation.json").read_text())
        assert (kept["split"], kept["chosen_on_this_split"]) == (fold, False)
        again = command(
            folded, "evaluate", str(own / "best.pt"), "out/shards", "--split", fold, "--json"
        )
        evaluated.append(json.loads(again.stdout)["all"])
        about = json.loads((own / "run.json").read_text())
        trained = set(about["options"]["train_split"].split("+"))
        assert trained == set(found["folds"]) - {fold}
        assert about["options"]["val_split"] == "none"
    assert row["all"] == pytest.approx(np.mean(evaluated))
    assert row["deviation"] == pytest.approx(np.std(evaluated, ddof=1))
    assert "0.833 +-0.153" in done.stdout
    assert "3 folds, 1 seed; " in done.stdout
    assert done.stdout.strip() == (folded / "out" / "folds.txt").read_text().strip()
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["fold10", "30", "0.700"] in lines
    assert ["all", "records", "90", "0.833"] in lines


def test_folds_that_are_finished_are_not_trained_again(folded: Path) -> None:
    words = ("compare", "r.yaml", "--folds", "--methods", "recipe", "--seeds", "2")
    done = command(folded, *words, "--out", "again")
    again = command(folded, *words, "--out", "again")
    assert again.stdout == done.stdout
    assert again.stderr.count("finished before") == 6
    assert json.loads((folded / "again" / "folds.json").read_text())["seeds"] == 2


def test_what_needs_a_validation_is_chosen_on_the_next_fold(folded: Path) -> None:
    words = ("compare", "r.yaml", "--folds", "--out", "patient", "--set", "train.patience=3")
    done = command(folded, *words)
    assert done.returncode == 0, done.stderr
    for fold, others, chooses in (
        ("fold1", "fold10", "fold2"),
        ("fold2", "fold1", "fold10"),
        ("fold10", "fold2", "fold1"),
    ):
        own = folded / "patient" / "compare" / "recipe" / f"{fold}-seed0" / "run.json"
        options = json.loads(own.read_text())["options"]
        assert (options["train_split"], options["val_split"]) == (others, chooses)


@pytest.mark.parametrize(
    ("split", "change", "told"),
    [
        (None, "", "--folds: nothing gives splits called fold1, fold2, ...; give the recipe"),
        ({}, "", "--folds: nothing gives splits called fold1, fold2, ...; give the recipe"),
        (
            {"by": "fold"},
            "one",
            "wanted two or more splits called fold..., found fold1 (90 records); give the recipe",
        ),
        (
            {"by": "fold"},
            "class",
            "--folds: fold2: no other fold has class maybe (1 records), so none of them can be",
        ),
        (
            {"by": "fold"},
            "records",
            "--folds: fold2: none of its 30 records has the target 'answer'",
        ),
        ({"by": "fold", "folds": 2}, "patience", "there are 2 folds; make three or more"),
    ],
)
def test_folds_that_cannot_be_are_told(
    folded: Path, tmp_path: Path, split: dict[str, Any] | None, change: str, told: str
) -> None:
    lines = (folded / "t.csv").read_text().splitlines()
    if change == "one":
        lines = [lines[0]] + [line.rpartition(",")[0] + ",1" for line in lines[1:]]
    if change == "class":
        lines = [line.replace("2-7,down,yes", "2-7,down,maybe") for line in lines]
        lines = [line.replace("2-7,down,no", "2-7,down,maybe") for line in lines]
    if change == "records":
        lines = [
            f"{line.split(',')[0]},{line.split(',')[1]},,2" if line.endswith(",2") else line
            for line in lines
        ]
    write(tmp_path / "t.csv", "\n".join(lines))
    write_recipe(tmp_path, "r.yaml", split, patience=3 if change == "patience" else 0)
    done = command(tmp_path, "compare", "r.yaml", "--folds", "--out", "out")
    assert told in done.stderr, done.stderr
    # a method that cannot be tried is left out, as without folds
    assert (done.returncode != 0) is (change != "patience")


def test_a_fold_without_a_class_that_others_have_is_told(folded: Path, tmp_path: Path) -> None:
    lines = (folded / "t.csv").read_text().splitlines()
    kept = [line for line in lines if not (line.endswith(",2") and ",no," in line)]
    write(tmp_path / "t.csv", "\n".join(kept))
    write_recipe(tmp_path, "r.yaml", {"by": "fold"})
    done = command(tmp_path, "compare", "r.yaml", "--folds", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "compare: folds without a class: fold2 (class no)" in done.stderr


def test_a_split_beside_the_folds_chooses_the_epoch(folded: Path, tmp_path: Path) -> None:
    rows = (folded / "t.csv").read_text().splitlines()
    write(tmp_path / "t.csv", "\n".join([f"{rows[0]},part"] + [f"{row}," for row in rows[1:]]))
    with (tmp_path / "t.csv").open("a") as file:
        file.writelines(f"\nv{n},{word},{answer},,val" for n, (word, answer) in VALIDATION)
    write_recipe(tmp_path, "r.yaml", {"by": "fold"})
    value = yaml.safe_load((tmp_path / "r.yaml").read_text())
    value["sources"]["t"]["split"] = "{part}"
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = command(tmp_path, "compare", "r.yaml", "--folds", "--out", "out")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "folds.json").read_text())
    assert found["folds"] == ["fold1", "fold2", "fold10"]
    own = tmp_path / "out" / "compare" / "recipe" / "fold1-seed0" / "run.json"
    # as the recipe has it, so that it is not written down
    assert "val_split" not in json.loads(own.read_text())["options"]
