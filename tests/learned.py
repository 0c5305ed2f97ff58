"""What training and comparing leave, written by hand, and the page of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commands import here
from pages import Page

SUBSETS = {
    "(nothing)": {"accuracy": 0.5, "loss": 0.7, "ece": 0.01, "brier": 0.5},
    "image": {"accuracy": 0.75, "loss": 0.5, "ece": 0.02, "brier": 0.4},
    "image+note": {"accuracy": 0.7, "loss": 0.4, "ece": 0.03, "brier": 0.3},
}
EVALUATION: dict[str, Any] = {
    "split": "test",
    "target": "answer",
    "metric": "accuracy",
    "records_with_target": 12,
    "subsets": SUBSETS,
    "all": 0.7,
    "best_single": {"part": "image", "accuracy": 0.75},
    "commonest_answer": 0.5,
    "confusion": {"classes": ["<no>", "yes"], "counts": [[5, 1], [2, 4]]},
    "chosen_on_this_split": True,
    "reliability": {
        "metric": "accuracy",
        "ece": 0.15,
        "bins": [
            {"low": 0.4, "high": 0.6, "records": 8, "confidence": 0.5, "score": 0.25},
            {"low": 0.8, "high": 1.0, "records": 4, "confidence": 0.9, "score": 1.0},
        ],
    },
    "worst": [
        {"key": "<b>a", "loss": 2.5, "right": "<no>", "answered": "yes", "confidence": 0.875},
        {
            "key": "b",
            "loss": 2.0,
            "right": ["two", "two", "2"],
            "answered": 1.5,
            "confidence": None,
        },
    ],
}
ROW: dict[str, Any] = {
    "method": "recipe",
    "metric": "accuracy",
    "all": 0.75,
    "deviation": 0.125,
    "mean_of_subsets": 0.6,
    "worst": 0.5,
    "worst_subset": "image",
    "loss": 0.5,
    "ece": None,
    "parameters": 1234,
    "seconds": 1.0,
    "commonest_answer": 0.5,
}
COMPARISON = {
    "recipe": "r.yaml",
    "seeds": 2,
    "metric": "accuracy",
    "methods": [{**ROW, "method": "<mean>", "all": 0.5, "deviation": None}, ROW],
    "left_out": {"gated": "wanted two parts"},
}


def trained(out: Path) -> Page:
    folder = out / "training"
    folder.mkdir()
    line = {"seconds": 2.0, "records_per_s": 1500.0, "bound_by": "computing", "validation": None}
    lines = [json.dumps({**line, "epoch": epoch, "loss": 1 / (1 + epoch)}) for epoch in range(3)]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    spans = {name: {**own, "low": 0.1, "high": 0.9} for name, own in SUBSETS.items()}
    robustness = {"metric": "accuracy", "subsets": spans}
    (folder / "robustness.json").write_text(json.dumps(robustness))
    other = {**EVALUATION, "split": "val", "all": 0.625}
    (folder / "evaluation-val.json").write_text(json.dumps(other))
    (out / "compare.json").write_text(json.dumps(COMPARISON))
    folded = {**COMPARISON, "folds": ["fold1", "fold2"]}
    folded["methods"] = [{**ROW, "folds": {"fold1": {"accuracy": 0.5}, "fold2": {"accuracy": 1.0}}}]
    (out / "folds.json").write_text(json.dumps(folded))
    done = here("report", out)
    assert done.returncode == 0, done.stderr
    return Page(out / "report.html")
