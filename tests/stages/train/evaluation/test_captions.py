"""Sentences that are learned beside the answer."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import yaml
from commands import here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.modalities.text.words import words
from modalmill.stages.train.evaluation.evaluate import evaluate
from taught import TRAIN, corpus
from tiny import recipe, write


def test_captions_are_learned_beside_the_answer_and_shown_by_predict(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    wanted = {}
    lines = ["id,question,answer,split,said"]
    for row in rows:
        bright = (row["answer"] == "yes") == (row["question"] == "bright")
        wanted[row["id"]] = (
            f"a {'bright' if bright else 'dark'} picture, asked if {row['question']}"
        )
        lines.append(
            f'{row["id"]},{row["question"]},{row["answer"]},{row["split"]},"{wanted[row["id"]]}"'
        )
    write(tmp_path / "t.csv", "\n".join(lines))
    section = {**TRAIN, "epochs": 16, "losses": [{"caption": {"target": "said", "weight": 1.0}}]}
    value = recipe(tmp_path, {"t": {**source, "targets": ["answer", "said"]}}, train=section)
    run(make_plan(parse_recipe(value), tmp_path), tmp_path / "out", "serial")
    done = here(
        "predict",
        tmp_path / "out" / "training" / "best.pt",
        "--shards",
        tmp_path / "out",
        "--split",
        "test",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    right = [
        one["caption"] == " ".join(words(wanted[one["key"].rpartition("-")[2]])) for one in found
    ]
    assert np.mean(right) > 0.9, found[:3]
    report = evaluate(tmp_path / "out" / "training" / "best.pt", tmp_path / "out")["captions"]
    assert report["same"] == np.mean(right)
    assert report["bleu4"] >= report["same"]
    one = here(
        "predict",
        tmp_path / "out" / "training" / "best.pt",
        "--image",
        tmp_path / "img" / "1.jpg",
        "--text",
        "bright",
    )
    assert "a bright picture , asked if bright" in one.stdout
    for losses, told in (
        ([{"caption": {}}], "say which target holds the sentences"),
        (
            [{"caption": {"target": "sad"}}],
            "nothing before it gives a target called 'sad'; did you mean 'said'",
        ),
    ):
        (tmp_path / "r.yaml").write_text(
            yaml.safe_dump({**value, "train": {**section, "losses": losses}})
        )
        done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out")
        assert done.returncode != 0
        assert told in done.stderr
