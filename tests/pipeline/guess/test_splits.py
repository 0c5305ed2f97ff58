"""Folders and columns that say which split a record is of, against what ``modalmill init`` makes
of them on the command line.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import commands
import pyarrow.parquet as pq
import pytest
import yaml
from modalmill.pipeline.guess.columns import guess_columns
from tiny import jpeg, write


def records(tmp_path: Path) -> list[dict[str, Any]]:
    """What a run keeps by the recipe that init writes for the folder ``raw``."""
    for words in (
        ("init", "raw"),
        ("run", "raw.yaml", "--out", "out", "--until", "shard", "--engine", "serial", "--quiet"),
    ):
        done = commands.here(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = pq.read_table(tmp_path / "out" / "manifest").to_pylist()
    return rows


@pytest.mark.parametrize(
    "folders", [("train", "valid", "test"), ("Training_Set", "dev_set", "eval")]
)
def test_tables_in_folders_of_splits_are_one_set(
    tmp_path: Path, folders: tuple[str, str, str]
) -> None:
    for folder in folders:
        rows = "".join(f"{n},{folder} says word {n * 7} once,{'ab'[n % 2]}\n" for n in range(20))
        write(tmp_path / "raw" / folder / "data.csv", f"id,text,label\n{rows}")
    assert Counter(row["split"] for row in records(tmp_path)) == {
        "train": 20,
        "val": 20,
        "test": 20,
    }


def test_tables_beside_pictures_of_their_split_have_those_though_names_come_again(
    tmp_path: Path,
) -> None:
    for place, split in enumerate(("train", "test")):
        for number in range(12):
            seed = number + 100 * place
            write(tmp_path / "raw" / split / "images" / f"{number}.jpg", jpeg(seed=seed))
        rows = "".join(f"{n}.jpg,{'ab'[n % 2]}\n" for n in range(12))
        write(tmp_path / "raw" / split / "labels.csv", f"file,label\n{rows}")
    of_splits = Counter(
        (row["split"], *(part["uri"].split("/")[0] for part in row["parts"]))
        for row in records(tmp_path)
    )
    assert of_splits == {("train", "train"): 12, ("test", "test"): 12}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set/training_set", "test_set/test_set"),
        ("Training", "Testing"),
        ("train", "x/eval"),
    ],
)
def test_folders_of_splits_above_folders_of_classes_have_the_usual_names(
    tmp_path: Path, train: str, test: str
) -> None:
    for seed in range(16):
        label = ("cats", "dogs")[seed % 2]
        folder = train if seed < 12 else test
        write(tmp_path / "raw" / folder / label / f"{seed}.jpg", jpeg(seed=seed))
    assert Counter((row["targets"], row["split"]) for row in records(tmp_path)) == {
        ('{"label":"cats"}', "train"): 6,
        ('{"label":"dogs"}', "train"): 6,
        ('{"label":"cats"}', "test"): 2,
        ('{"label":"dogs"}', "test"): 2,
    }


def test_pictures_of_a_test_set_without_classes_are_no_class(tmp_path: Path) -> None:
    for seed in range(16):
        folder = f"train/{('cats', 'dogs')[seed % 2]}" if seed < 12 else "test"
        write(tmp_path / "raw" / folder / f"{seed}.jpg", jpeg(seed=seed))
    done = commands.here("init", "raw", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sources = yaml.safe_load((tmp_path / "raw.yaml").read_text())["sources"]
    assert sources["train"]["targets"] == {"label": "{label}"}
    assert {name: own["split"] for name, own in sources.items()} == {
        "train": "train",
        "test": "test",
    }
    assert "targets" not in sources["test"]


@pytest.mark.parametrize("empty", ["", "NA"])
def test_a_column_of_splits_is_one_though_some_of_its_cells_are_empty(
    tmp_path: Path, empty: str
) -> None:
    words = ["train", "train", "test", empty]
    rows = "".join(
        f"word {n * 7} of {n % 4} here,{'ab'[n % 2]},{words[n % 4]}\n" for n in range(80)
    )
    write(tmp_path / "raw" / "t.csv", f"text,label,split\n{rows}")
    texts = [(row["parts"][0]["text"].split()[3], row["split"]) for row in records(tmp_path)]
    given = Counter((words[int(number)], split) for number, split in texts)
    assert given["train", "train"] == 40
    assert given["test", "test"] == 20


def test_the_splits_of_facial_expressions_are_known() -> None:
    names = ["Training"] * 8 + ["PublicTest", "PrivateTest"]
    assert guess_columns({"Usage": names})["Usage"].role == "split"
