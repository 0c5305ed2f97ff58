"""Several processes do what one does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from tiny import csv_source, recipe, write
from trainings import OPTIONS, Trainers, weights


def keys_of(out: Path) -> dict[tuple[int, int], set[str]]:
    """(epoch, step) -> the keys of the global batch, from what every rank saw."""
    found: dict[tuple[int, int], set[str]] = {}
    for path in out.glob("keys*.jsonl"):
        for line in path.read_text().splitlines():
            epoch, step, keys = json.loads(line)
            found.setdefault((epoch, step), set()).update(keys)
    return found


def test_two_processes_do_what_one_does_and_hand_over_to_each_other(
    shards: Path, trainers: Trainers, tmp_path: Path
) -> None:
    """The same keys in every global batch, and weights equal to 1e-5; also when the first epoch is
    done by one, the next by two, the last by one.
    """
    more = {"dropout": 0.0, "metric": "macro_f1"}
    for ranks, name in ((1, "one"), (2, "two"), (3, "three")):
        assert trainers.train(shards, tmp_path / name, ranks=ranks, **more) == [0] * ranks
    one = weights(tmp_path / "one")
    scores = {
        name: [
            json.loads(line)["validation"]
            for line in (tmp_path / name / "log.jsonl").read_text().splitlines()
        ]
        for name in ("one", "two", "three")
    }
    assert scores["two"] == scores["three"] == scores["one"], (
        "a metric of all rows sees those of all processes"
    )
    for name in ("two", "three"):
        assert keys_of(tmp_path / name) == keys_of(tmp_path / "one")
        for parameter, tensor in weights(tmp_path / name).items():
            assert torch.allclose(tensor, one[parameter], atol=1e-5), f"{name}: {parameter}"
    turns = tmp_path / "turns"
    for ranks, kill_at in ((1, 8), (2, 8), (1, 0)):  # six steps an epoch
        ended = trainers.train(shards, turns, kill_at, ranks, **more, save_every_s=0.0)
        assert (-signal.SIGKILL in ended) is (kill_at > 0)
    assert keys_of(turns) == keys_of(tmp_path / "one")
    for parameter, tensor in weights(turns).items():
        assert torch.allclose(tensor, one[parameter], atol=1e-5), parameter


def test_a_recipe_is_run_by_several_processes_of_which_the_first_writes_the_shards(
    tmp_path: Path,
) -> None:
    lines = ["id,note,answer,split"] + [
        f"{n},{'up' if n % 2 else 'down'},{'yes' if n % 2 else 'no'},{'train' if n % 5 else 'val'}"
        for n in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("note", targets=["answer"], split="{split}")
    options = {**OPTIONS, "inputs": {"note": {"length": 3}}, "epochs": 4}
    write(
        tmp_path / "r.yaml",
        yaml.safe_dump(recipe(tmp_path, {"t": source}, shard={}, train=options)),
    )
    words = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "modalmill",
        "run",
        "r.yaml",
        "--out",
        "out",
    ]
    done = subprocess.run(
        [sys.executable, *words, "--workers", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("all parts 1.000") == 1, "the first one speaks for all"
    assert done.stderr.count("training: epoch 4 of 4") == 1
    assert json.loads((tmp_path / "out" / "training" / "evaluation.json").read_text())["all"] == 1.0
