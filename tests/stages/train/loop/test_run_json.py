"""A run folder explains itself."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from modalmill.stages.train.model import checkpoint
from trainings import trained


def test_a_run_folder_explains_itself_and_says_what_made_it_start_anew(
    shards: Path, tmp_path: Path
) -> None:
    _, first = trained(shards, tmp_path / "run", epochs=1, fusion="gated")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["options"]["fusion"] == "gated"
    assert about["seed"] == 3
    assert about["shards"]["fingerprint"]
    assert about["versions"]["torch"] == torch.__version__
    assert about["machine"]["processes"] == 1
    (epoch,) = (
        json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    )
    assert set(epoch["weights"]) == {"image", "note"}
    assert not any("starting anew" in line for line in first)
    _, second = trained(shards, tmp_path / "run", epochs=1, fusion="gated", width=24, dropout=0.0)
    assert (
        second[0]
        == "training: width, dropout changed since the last run here; starting anew, its files"
        " are in run/before"
    )
    assert checkpoint.load(tmp_path / "run" / "before" / "best.pt").options.width == 16
    _, again = trained(shards, tmp_path / "run", epochs=1, fusion="gated", width=24, dropout=0.0)
    assert "finished before" in again[0]
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
