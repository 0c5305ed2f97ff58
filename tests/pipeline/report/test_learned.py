"""What training left, as its files say it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import here
from learned import EVALUATION, SUBSETS, trained
from pages import Page


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


def test_what_a_part_is_worth_adds_up_to_all_parts_less_none(copied: Path) -> None:
    evaluation = {
        **EVALUATION,
        "subsets": {**SUBSETS, "note": {**SUBSETS["image"], "accuracy": 0.6}},
    }
    trained(copied)
    (copied / "training" / "evaluation.json").write_text(json.dumps(evaluation))
    assert here("report", copied).returncode == 0
    page = Page(copied / "report.html")
    worth = {row["part"]: float(row["worth"]) for row in page.table("What each part is worth")}
    # of two parts: half of what it adds alone and half of what it adds to the other
    assert worth["image"] == pytest.approx((0.75 - 0.5) / 2 + (0.7 - 0.6) / 2)
    assert worth["note"] == pytest.approx((0.6 - 0.5) / 2 + (0.7 - 0.75) / 2)
    assert sum(worth.values()) == pytest.approx(0.7 - 0.5)
    assert "Together +0.200" in page.text


def test_calibration_and_the_worst_answers_are_told_for_each_split(copied: Path) -> None:
    page = trained(copied)
    assert page.text.index("On the split test") < page.text.index("On the split val")
    rows = page.table("Confidence of the answers")
    assert [row["too low"] for row in rows] == ["-0.250", "+0.100"]
    assert "expected calibration error 0.150" in page.text
    assert "Confidence is 0.15 off" in page.text
    line = re.search(r'<polyline points="([\d., ]+)" class="line">', page.source)
    assert line is not None
    (x, y), (to_x, to_y) = (map(float, point.split(",")) for point in line[1].split())
    assert to_x > x
    assert y > to_y, "above is more"
    worst = page.table("Answered worst on test")
    assert [row["key"] for row in worst] == ["<b>a", "b"]
    assert [row["right"] for row in worst] == ["<no>", "two, 2"]
    assert [(row["answered"], row["confidence"]) for row in worst] == [
        ("yes", "0.875"),
        ("1.5", "–"),
    ]


def test_methods_are_compared_the_best_first_and_over_folds(copied: Path) -> None:
    page = trained(copied)
    rows = page.table("accuracy over 2 seeds")
    assert [(row["method"], row["accuracy"], row["deviation"]) for row in rows] == [
        ("recipe", "0.750", "0.125"),
        ("<mean>", "0.500", "–"),
    ]
    assert "Not tried: gated: wanted two parts" in page.text
    assert page.table("accuracy on each fold") == [
        {"method": "recipe", "fold1": "0.500", "fold2": "1.000"}
    ]


def test_a_torn_file_is_named_and_the_page_not_written(copied: Path) -> None:
    (copied / "report.html").unlink()
    (copied / "training").mkdir()
    (copied / "training" / "evaluation.json").write_text('{"metric": ')
    done = here("report", copied)
    assert done.returncode == 1
    assert str(copied / "training" / "evaluation.json") in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (copied / "report.html").exists()
