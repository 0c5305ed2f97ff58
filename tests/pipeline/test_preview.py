"""``modalmill plan`` says what a run would do and why, and writes nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import here
from tiny import csv_source, jpeg, recipe, write

STAGES = [
    {"align.join": {"sources": ["captions", "pictures"], "match": {"pictures": "{id:stem}"}}},
    "clean.image",
    {"clean.text": {"min_words": 2}},
    "align.split",
]


@pytest.fixture
def planned(tmp_path: Path) -> dict[str, Any]:
    """Twelve captions, eleven of them with a picture; two pictures without a caption."""
    for number in (*range(1, 12), 20, 21):
        write(tmp_path / "raw" / "pictures" / f"{number}.jpg", jpeg(seed=number))
    rows = [f"{number},caption {number}" for number in range(1, 13)]
    write(tmp_path / "raw" / "captions.csv", "\n".join(["id,caption", *rows, "3,again"]))
    return recipe(
        tmp_path / "raw",
        {
            "captions": csv_source("caption", path="captions.csv"),
            "pictures": {"type": "image_folder", "path": "pictures"},
        },
        STAGES,
        shard={},
    )


def plan(tmp_path: Path, value: dict[str, Any], *more: object) -> str:
    """What the command says, with every run of spaces as one."""
    path = write(tmp_path / "r.yaml", yaml.safe_dump(value))
    before = stamps(tmp_path)
    done = here("plan", path, "--out", tmp_path / "out", *more)
    assert done.returncode == 0, done.stderr
    assert stamps(tmp_path) == before, "nothing is written"
    return "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())


def run(tmp_path: Path, value: dict[str, Any]) -> None:
    path = write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = here("run", path, "--out", tmp_path / "out", "--engine", "serial", "--quiet")
    assert done.returncode == 0, done.stderr


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_before_the_first_run_it_counts_joins_and_estimates(
    tmp_path: Path, planned: dict[str, Any]
) -> None:
    told = plan(tmp_path, planned)
    assert "captions 12 1 read it: no run has read it into this folder" in told
    assert "pictures 13 - read it: no run has read it into this folder" in told
    assert "captions: 1 duplicate_id" in told
    assert "measure look at 13 of 13 files" in told
    assert "align.join: 11 records find a partner; 2 no_captions; 1 no_pictures" in told
    assert "caption: caption 1" in told
    assert "image: pictures/1.jpg" in told
    # 12 captions and the 2 pictures that are no caption's
    assert re.search(r"Estimated from \d+ of 14 records", told)
    assert " 14 records, " in told
    assert "Nothing was written." in told


def test_after_a_run_all_is_kept(tmp_path: Path, planned: dict[str, Any]) -> None:
    run(tmp_path, planned)
    told = plan(tmp_path, planned)
    assert told.count("keep it: nothing in it has changed") == 2
    assert "measure look at no file: all that stages ask for are known" in told
    for stage in ("align.join", "clean.image", "clean.text", "align.split", "shards"):
        assert f"{stage} keep what there is" in told
    assert "Estimated" not in told


def test_a_changed_stage_says_what_runs_again_and_why(
    tmp_path: Path, planned: dict[str, Any]
) -> None:
    run(tmp_path, planned)
    changed = json.loads(json.dumps(planned))
    changed["stages"][2] = {"clean.text": {"min_words": 1}}
    told = plan(tmp_path, changed)
    assert "align.join keep what there is" in told
    assert "clean.text run again: the recipe had {clean.text: {min_words: 2}} in its place" in told
    assert "align.split run again: it comes after clean.text, which has changed" in told
    assert "measure look at no file: all that stages ask for are known" in told


def test_a_changed_file_and_changed_options_are_told_apart(
    tmp_path: Path, planned: dict[str, Any]
) -> None:
    run(tmp_path, planned)
    write(tmp_path / "raw" / "pictures" / "5.jpg", jpeg(seed=500))
    changed = json.loads(json.dumps(planned))
    changed["sources"]["captions"]["targets"] = ["caption"]
    told = plan(tmp_path, changed)
    assert "captions 12 1 read it again: its options have changed" in told
    assert "pictures 13 - read it again: its files have changed" in told
    assert "measure look at 1 of 13 files" in told


def test_a_source_that_is_too_long_is_told_as_a_part(
    tmp_path: Path, planned: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.pipeline import preview

    monkeypatch.setattr(preview, "_READ_S", 0.0)
    told = plan(tmp_path, planned)
    assert "captions >0" in told
    assert "align.join: what it finds is known when the sources are read whole" in told


def test_a_limited_run_in_the_folder_is_told(tmp_path: Path, planned: dict[str, Any]) -> None:
    path = write(tmp_path / "r.yaml", yaml.safe_dump(planned))
    done = here("run", path, "--out", tmp_path / "out", "--limit", 3, "--engine", "serial")
    assert done.returncode == 0, done.stderr
    told = plan(tmp_path, planned)
    assert "holds a run with --limit 3" in told
    # read whole for the limited run, and used again
    assert told.count("keep it: nothing in it has changed") == 2
    assert "measure look at 8 of 13 files" in told


def test_mistakes_are_those_of_a_run(tmp_path: Path, planned: dict[str, Any]) -> None:
    planned["stages"][2] = "claen.text"
    path = write(tmp_path / "r.yaml", yaml.safe_dump(planned))
    done = here("plan", path)
    assert done.returncode == 2
    assert "did you mean 'clean.text'" in done.stderr
    assert not os.path.exists("out/tiny")
