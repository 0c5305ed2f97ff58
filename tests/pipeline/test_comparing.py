"""Methods side by side on one recipe, by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import yaml
from commands import here
from tiny import csv_source, recipe, write


def command(folder: Path, *words: str) -> CompletedProcess[str]:
    return here(*words, cwd=folder)


def test_methods_are_trained_on_the_same_records_and_put_into_one_table(folder: Path) -> None:
    done = command(
        folder, "compare", "r.yaml", "--methods", "recipe,one_cnn", "--seeds", "2", "--out", "out"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "out" / "compare.json").read_text())
    assert [row["method"] for row in found["methods"]] == ["recipe", "one_cnn"]
    for row in found["methods"]:
        assert row["all"] == 1.0, "the note says it all"
        assert set(row["subsets"]) == {"(nothing)", "image", "note", "image+note"}
        assert row["parameters"] > 1000
        assert row["worst_subset"] == "image"
        folders = [folder / "out" / "compare" / row["method"] / f"seed{seed}" for seed in (0, 1)]
        assert all((some / "best.pt").is_file() for some in folders)
    assert found["methods"][0]["parameters"] != found["methods"][1]["parameters"]
    assert (folder / "out" / "compare.txt").read_text().strip() == done.stdout.strip()
    assert "1.000 +-0.000" in done.stdout
    again = command(
        folder, "compare", "r.yaml", "--methods", "recipe,one_cnn", "--seeds", "2", "--out", "out"
    )
    assert again.stdout == done.stdout
    assert again.stderr.count("finished before") == 4


def test_names_that_are_no_methods_are_told_before_anything_is_done(folder: Path) -> None:
    done = command(folder, "compare", "r.yaml", "--methods", "atention,mean", "--out", "elsewhere")
    assert done.returncode == 2
    assert "--methods: no such method 'atention'; did you mean 'attention'?" in done.stderr
    assert not (folder / "elsewhere").exists()


def test_what_a_recipe_cannot_have_is_told(folder: Path) -> None:
    done = command(
        folder,
        "compare",
        "r.yaml",
        "--methods",
        "mean",
        "--set",
        "train.encoders.text=cnn",
        "--out",
        "elsewhere",
    )
    assert done.returncode == 2
    assert (
        "train.encoders.text: no encoder of text is called 'cnn'; there are lstm, gru,"
        " transformer, text_cnn, embedding" in done.stderr
    )


def test_variants_of_data_are_prepared_once_each_from_work_that_is_shared(tmp_path: Path) -> None:
    """With and without a rule that takes a fifth of the records."""
    lines = ["id,note,answer,split"]
    for number in range(200):
        words = ("down" if number % 2 else "up") + " and away" * (number // 2 % 5 == 4)
        split = ("train", "train", "val", "test")[number // 10 % 4]
        lines.append(f"{number},{words},{number % 2},{split}")
    write(tmp_path / "t.csv", "\n".join(lines))
    train = {"target": "answer", "inputs": {"note": {"length": 1}}, "width": 8, "hidden": 8}
    train |= {"epochs": 8, "batch_size": 16, "learning_rate": 0.05, "checks": False}
    source = csv_source("note", targets=["answer"], split="{split}")
    stages = [{"clean.rules": {"note.words": "<= 1"}}]
    whole = recipe(tmp_path, {"t": source}, stages, shard={}, tolerance=1.0, train=train)
    write(tmp_path / "r.yaml", yaml.safe_dump(whole))
    words = ("--without", "clean.rules.note.words", "--sweep", "train.hidden=16")
    done = command(tmp_path, "compare", "r.yaml", "--out", "out", *words)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "compare.json").read_text())["methods"]
    found = {row["method"]: row for row in rows}
    ends = ("", ", without clean.rules.note.words")
    assert list(found) == [f"train.hidden=16{end}" for end in ends]
    with_rule, without = (found[f"train.hidden=16{end}"] for end in ends)
    assert (with_rule["tested"], without["tested"]) == (40, 50)
    assert with_rule["test_records"] != without["test_records"]
    assert with_rule["all"] == without["on_first"] == 1.0, "the note says it all"
    assert "on_first" not in with_rule
    data = list((tmp_path / "out" / "compare" / "data").iterdir())
    assert len(data) == 1
    assert "ingest" not in json.loads((data[0] / "work" / "costs.json").read_text())
    assert "Not all were tested on the same records" in done.stdout
    assert "with one seed nobody knows what chance did" in done.stdout


def test_a_mistyped_rule_or_option_is_told_before_anything_is_done(folder: Path) -> None:
    for words, told in (
        (("--sweep", "train.widht=8,16"), "train.widht: unknown option; did you mean 'width'?"),
        (
            ("--sweep", "train.lr=0.1,0.2"),
            "train.lr: unknown option; did you mean 'learning_rate'?",
        ),
        (("--without", "clean.imag.max_dark"), "--without clean.imag.max_dark: wanted a stage"),
    ):
        done = command(folder, "compare", "r.yaml", *words, "--out", "nowhere")
        assert done.returncode == 2, done.stderr
        assert told in done.stderr
        assert not (folder / "nowhere").exists()
