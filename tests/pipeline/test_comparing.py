"""Methods side by side on one recipe, by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

from commands import here


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
