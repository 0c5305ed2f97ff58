"""``mm.run`` does what the command does: the same bytes, the same sentences."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import commands
import modalmill as mm
import pytest
import yaml
from modalmill.schemas.errors import InputError, RecipeError
from tiny import csv_source, recipe, vqa_corpus, write


@pytest.fixture
def value(tmp_path: Path) -> dict[str, Any]:
    """A recipe with something to reject, in a folder of its own."""
    source = vqa_corpus(tmp_path / "raw")
    write(tmp_path / "raw" / "images" / "COCO_tiny2014_000000000001.jpg", "no picture")
    stages = [{"clean.image": {}}, {"align.split": {"shares": {"train": 0.6, "test": 0.4}}}]
    features = {"image": "features.image"}
    return recipe(tmp_path / "raw", {"vqa": source}, stages, features=features)


def contents(out: Path) -> dict[str, bytes]:
    """Every file that others read."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "work"
    }


def test_a_dictionary_gives_the_bytes_of_the_command_line(
    value: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path / "tiny.yaml", yaml.safe_dump(value, sort_keys=False))
    done = commands.here("run", tmp_path / "tiny.yaml", "--out", tmp_path / "a", "--quiet")
    assert done.returncode == 0, done.stderr
    result = mm.run(value, out=tmp_path / "b", engine="serial", quiet=True)
    whole = contents(tmp_path / "a")
    assert {"account.json", "recipe.yaml", "rejects.parquet"} < whole.keys()
    assert [name for name in whole if name.endswith(".tar")]
    assert contents(tmp_path / "b") == whole
    assert result.account.stages[0].rejected == 2


def test_a_limit_is_that_of_the_command_line(value: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.yaml", yaml.safe_dump(value, sort_keys=False))
    done = commands.here(
        "run", path, "--out", tmp_path / "a", "--quiet", "--limit", 4, "--engine", "serial"
    )
    assert done.returncode == 0, done.stderr
    result = mm.run(value, out=tmp_path / "b", engine="serial", quiet=True, limit=4)
    assert result.account.limit == 4
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_a_file_and_a_dictionary_are_one(value: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.yaml", yaml.safe_dump(value, sort_keys=False))
    mm.run(str(path), out=str(tmp_path / "a"), engine="serial", quiet=True)
    mm.run(value, out=tmp_path / "b", engine="serial", quiet=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_paths_of_a_dictionary_are_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,words\n1,good day\n")
    monkeypatch.chdir(tmp_path)
    value = {"name": "here", "data": Path("raw"), "sources": {"rows": csv_source("words")}}
    result = mm.run(value, engine="serial", quiet=True)
    assert result.out == tmp_path / "out" / "here"
    assert result.manifest()["key"].to_pylist() == ["rows-1"]


def test_overrides_leave_the_dictionary_as_it_is(value: dict[str, Any], tmp_path: Path) -> None:
    before = copy.deepcopy(value)
    result = mm.run(
        value,
        out=tmp_path / "out",
        overrides=["stages.clean.image.max_dark=0.9", "seed=7"],
        until="clean.image",
        engine="serial",
        quiet=True,
    )
    assert value == before
    assert "seed: 7" in (result.out / "recipe.yaml").read_text()


def test_mistakes_are_told_as_on_the_command_line(value: dict[str, Any], tmp_path: Path) -> None:
    wrong = value | {"stages": [{"claen.text": {}}, {"clean.image": {"min_sied": 3}}]}
    path = write(tmp_path / "wrong.yaml", yaml.safe_dump(wrong))
    done = commands.here("run", path, "--out", tmp_path / "out")
    with pytest.raises(RecipeError) as told:
        mm.run(wrong, out=tmp_path / "out")
    assert "did you mean 'clean.text'?" in str(told.value)
    assert done.stderr.strip() == f"modalmill: {path}{str(told.value).removeprefix('recipe')}"
    # nothing was read, so nothing is written
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"engine": "lokal"}, "engine: wanted serial, local or dask, found 'lokal'; did you mean"),
        ({"workers": 0}, "workers: wanted at least 1, found 0"),
        ({"limit": 0}, "limit: wanted at least 1, found 0"),
        ({"recipe": 5}, "recipe: wanted a YAML file or a dictionary, found int"),
        ({"recipe": "none.yaml"}, "none.yaml: there is no such recipe"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    value: dict[str, Any], more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as told:
        mm.run(**({"recipe": value} | more))
    assert str(told.value).startswith(sentence)
    assert "\n" not in str(told.value)


def test_a_notebook_shows_the_message_and_no_traceback(value: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as told:
        mm.run(value | {"sorces": {}})
    assert told.value._render_traceback_() == [
        "RecipeError: recipe: 1 mistake\n  - sorces: unknown option; did you mean 'sources'?"
    ]


def test_it_tells_how_it_goes_unless_it_is_to_be_quiet(
    value: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mm.run(value, out=tmp_path / "a", engine="serial")
    shown = capsys.readouterr()
    assert "shard: 5 samples in" in shown.err
    assert not shown.out
    mm.run(value, out=tmp_path / "b", engine="serial", quiet=True)
    assert capsys.readouterr() == ("", "")


SCRIPT = """
import sys

import modalmill as mm

heavy = {"numpy", "pyarrow", "torch", "pydantic", "yaml", "typer", "rich"} & sys.modules.keys()
assert not heavy, heavy
assert mm.__version__ and "run" in dir(mm)
result = mm.run("tiny.yaml", out="out", workers=2, quiet=True)
assert "torch" not in sys.modules
print(result)
print(result.rejects().num_rows)
"""


def test_a_script_runs_it_and_imports_nothing_before(value: dict[str, Any], tmp_path: Path) -> None:
    """Worker processes too: a script needs no ``if __name__ == "__main__"``."""
    write(tmp_path / "tiny.yaml", yaml.safe_dump(value, sort_keys=False))
    write(tmp_path / "script.py", SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "The account adds up" in done.stdout
    assert done.stdout.splitlines()[-1] == "2"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        mm.runn  # noqa: B018
