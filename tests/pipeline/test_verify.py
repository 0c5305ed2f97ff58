"""Shards are verified against the manifest that they were made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mixture import full_recipe
from modalmill.pipeline.progress import Progress
from modalmill.pipeline.run import Result
from modalmill.pipeline.verify import verify


def test_shards_of_other_records_are_told_and_not_verified(
    tmp_path: Path, run_recipe: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    value = full_recipe(tmp_path / "raw")
    out = tmp_path / "out"
    run_recipe(value)
    assert verify(out)[1] == []
    tars = {path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.tar")}
    changed = json.loads(json.dumps(value))
    changed["stages"][0] = {"align.require": {"any_of": ["image"]}}
    for stopped in ({"until": "manifest"}, {}):
        run_recipe(
            changed if stopped else {**changed, "shard": None}, progress=Progress(), **stopped
        )
        assert "shards in" in capsys.readouterr().err
        files, problems = verify(out)
        assert len(problems) == 1
        assert "is not the manifest that the shards were made from" in problems[0]
        assert {
            path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.tar")
        } == tars
    run_recipe(value)
    assert verify(out) == (files, [])
