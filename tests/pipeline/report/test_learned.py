"""What training left, as its files say it."""

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
    done = here("report", out)
    assert done.returncode == 0, done.stderr
    return Page(out / "report.html")


def test_subsets_confusion_and_curves_are_those_of_the_files(copied: Path) -> None:
    page = trained(copied)
    rows = page.table("accuracy by the parts that the model may see (●).")
    assert [row["accuracy"] for row in rows] == ["0.750", "0.700", "0.500"]
    assert [(row["image"], row["note"]) for row in rows] == [("●", "–"), ("●", "●"), ("–", "–")]
    spans = page.table("accuracy by the parts that the model may see (●), with its 95 %")
    assert {(row["low"], row["high"]) for row in spans} == {("0.100", "0.900")}
    assert page.table("Confusion") == [
        {"right \\ answered": "<no>", "<no>": "5", "yes": "1"},
        {"right \\ answered": "yes", "<no>": "2", "yes": "4"},
    ]
    assert "3 epochs in 6 s, 1,500 records/s in the last one, bound by computing." in page.text
    assert "chosen on this split" in page.text
    assert "image alone scores 0.750, all parts 0.700" in page.text


def test_a_torn_file_is_named_and_the_page_not_written(copied: Path) -> None:
    (copied / "report.html").unlink()
    (copied / "training").mkdir()
    (copied / "training" / "evaluation.json").write_text('{"metric": ')
    done = here("report", copied)
    assert done.returncode == 1
    assert str(copied / "training" / "evaluation.json") in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (copied / "report.html").exists()
