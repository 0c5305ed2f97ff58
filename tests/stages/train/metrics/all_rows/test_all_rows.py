"""Metrics of all rows: their definitions, in evaluation, in the choice of the best epoch, and from
a user's file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import RecipeError
from modalmill.stages import outside
from modalmill.stages.train.evaluation.evaluate import evaluate, table_text
from modalmill.stages.train.metrics.metric import Rows, metrics_of
from tiny import recipe, write

ALL = metrics_of("classification")
pairs = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3)), min_size=1, max_size=40)


def by_definition(rows: list[tuple[int, int]]) -> dict[str, float]:
    """From counts of right and wrong, class by class."""
    f1, recall, common = [], [], []
    for number in sorted({truth for truth, _ in rows if truth >= 0}):
        hit = sum(truth == number == answer for truth, answer in rows)
        said, there = (
            sum(answer == number for _, answer in rows),
            sum(truth == number for truth, _ in rows),
        )
        f1.append(2 * hit / (said + there))
        recall.append(hit / there)
        common.append(there)
    if not f1:
        return dict.fromkeys(("macro_f1", "weighted_f1", "balanced_accuracy"), math.nan)
    weighted = sum(value * count for value, count in zip(f1, common, strict=True)) / sum(common)
    return {
        "macro_f1": sum(f1) / len(f1),
        "weighted_f1": weighted,
        "balanced_accuracy": sum(recall) / len(recall),
    }


@given(pairs)
def test_they_are_what_their_definitions_say(rows: list[tuple[int, int]]) -> None:
    made = Rows(
        np.array([float(truth) for truth, _ in rows]),
        np.array([float(answer) for _, answer in rows]),
    )
    for name, wanted in by_definition(rows).items():
        assert ALL[name].of(made) == pytest.approx(wanted, nan_ok=True), name


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_the_area_is_the_chance_that_a_right_row_is_given_more(
    rows: list[tuple[bool, int]],
) -> None:
    truth = np.array([float(right) for right, _ in rows])
    given_to_it = np.array([level / 5 for _, level in rows])
    right, wrong = given_to_it[truth == 1], given_to_it[truth == 0]
    found = ALL["auc"].of(Rows(truth, truth, np.stack([1 - given_to_it, given_to_it], 1)))
    if len(right) and len(wrong):
        wins = [(one > other) + 0.5 * (one == other) for one in right for other in wrong]
        assert found == pytest.approx(np.mean(wins))
    else:
        assert math.isnan(found)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30))
def test_r2_is_the_share_of_the_variance_that_is_explained(rows: list[tuple[float, float]]) -> None:
    truth, answer = (np.array(some) for some in zip(*rows, strict=True))
    spread = ((truth - truth.mean()) ** 2).sum()
    found = metrics_of("regression")["r2"].of(Rows(truth, answer))
    if spread < 1e-9:
        return
    assert found == pytest.approx(1 - ((truth - answer) ** 2).sum() / spread, rel=1e-6)


def corpus(root: Path, **more: Any) -> dict[str, Any]:
    """Nine of ten rows are common; the word tells which are rare, half of the time."""
    random = np.random.default_rng(0)
    lines = ["note,label,number,split"]
    for row in range(600):
        rare = row % 10 == 0
        word = "odd" if rare and row % 20 == 0 else "plain"
        split = ("train", "val", "test")[int(random.integers(0, 3))]
        lines.append(
            f"{word} words,{'rare' if rare else 'common'},{3.0 * rare + random.normal():.3f},"
            f"{split}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "text": {"note": "note"},
        "targets": ["label"],
        "numbers": {"number": "number"},
        "split": "{split}",
    }
    train = {
        "target": "label",
        "inputs": {"note": {"length": 3}},
        "fusion": "mean",
        "width": 16,
        "hidden": 16,
        "epochs": 6,
        "batch_size": 16,
        "device": "cpu",
        "checks": False,
        "learning_rate": 0.01,
        "dropout": 0.0,
        "modality_dropout": 0.0,
        **more,
    }
    return recipe(root, {"t": source}, train=train)


def test_a_metric_chooses_the_epoch_heads_the_tables_and_stands_beside_the_others(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    result = run_recipe(corpus(tmp_path, metric="macro_f1"))
    report = result.training
    assert report is not None
    assert report["metric"] == "macro_f1"
    whole = report["subsets"]["note"]
    assert report["all"] == whole["macro_f1"]
    assert {"accuracy", "balanced_accuracy", "weighted_f1"} <= set(whole)
    assert "auc" not in whole, (
        "all probabilities of every subset are kept only where they are asked for"
    )
    counts = np.array(report["confusion"]["counts"])
    assert report["confusion"]["classes"] == ["common", "rare"]
    assert counts.sum() == report["records_with_target"]
    assert whole["accuracy"] == pytest.approx(np.trace(counts) / counts.sum())
    assert whole["balanced_accuracy"] == pytest.approx((counts.diagonal() / counts.sum(1)).mean())
    assert report["commonest_answer"] == pytest.approx(
        report["subsets"]["(nothing)"]["macro_f1"]
    ), "without anything the prior answers"
    assert whole["macro_f1"] > report["commonest_answer"] + 0.1
    log = [
        json.loads(line)
        for line in (tmp_path / "out" / "training" / "log.jsonl").read_text().splitlines()
    ]
    best = max(entry["validation"] for entry in log)
    validated = evaluate(
        tmp_path / "out" / "training" / "best.pt", tmp_path / "out" / "shards", "val"
    )
    assert validated["all"] == pytest.approx(best, abs=1e-6), (
        "the epoch was chosen by what the evaluation of its split says"
    )
    assert "balanced_accuracy" in table_text(report)


def test_the_area_is_there_where_it_is_asked_for(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    report = run_recipe(corpus(tmp_path, metric="auc", epochs=2)).training
    assert report is not None
    assert report["all"] == report["subsets"]["note"]["auc"] > 0.6
    assert report["commonest_answer"] == 0.5, "always the same answer tells nothing"


def test_regression_has_r2(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    report = run_recipe(corpus(tmp_path, target="number", task="regression", metric="r2")).training
    assert report is not None
    assert report["metric"] == "r2"
    assert 0 < report["all"] < 1
    assert report["commonest_answer"] <= 0.01
    assert "confusion" not in report


def test_a_metric_of_another_task_is_a_mistake(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    with pytest.raises(
        RecipeError,
        match=r"train.metric: no metric of classification is called 'macro_f'; did you mean "
        r"'macro_f1'",
    ):
        run_recipe(corpus(tmp_path, metric="macro_f"))
    with pytest.raises(RecipeError, match=r"no metric of regression is called 'macro_f1'"):
        run_recipe(corpus(tmp_path, task="regression", target="number", metric="macro_f1"))


def test_a_user_brings_a_metric_in_a_file(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    code = (
        "from modalmill.stages.train.metrics import Metric\n\n\nclass RareFound(Metric):\n"
        '    """The share of the rarest class that is found."""\n\n    def of(self, rows):\n'
        "        rare = rows.truth == max(rows.classes())\n"
        "        return float((rows.answer[rare] == rows.truth[rare]).mean())\n"
    )
    path = write(tmp_path / "my_metrics.py", code)
    try:
        report = run_recipe({**corpus(tmp_path, metric="rare_found"), "use": [str(path)]}).training
    finally:
        outside.install(())
    assert report is not None
    counts = np.array(report["confusion"]["counts"])
    assert report["all"] == pytest.approx(counts[1, 1] / counts[1].sum())


def test_a_metric_that_the_rows_do_not_define_gives_way_and_is_told(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = corpus(tmp_path, metric="auc", epochs=1)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    write(
        tmp_path / "t.csv",
        "\n".join(
            line for line in lines if not (",rare," in line and line.endswith((",test", ",val")))
        ),
    )
    report = run_recipe(value).training
    assert report is not None
    assert (report["metric"], report["metric_undefined"]) == ("accuracy", "auc")
    assert (
        "auc is not defined by the rows of this split; accuracy stands in its place"
        in table_text(report)
    )
    json.loads(
        (tmp_path / "out" / "training" / "evaluation.json").read_text(),
        parse_constant=lambda word: pytest.fail(f"{word} is no JSON"),
    )
