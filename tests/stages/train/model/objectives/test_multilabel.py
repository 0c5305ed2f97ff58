"""Any number of labels a record, from lists in JSON and in cells to predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.stages.train.metrics.metric import Rows, metrics_of
from modalmill.stages.train.model.objectives.multilabel import Multilabel
from modalmill.stages.train.use.predict import Predictor, prediction_text
from sklearn import metrics as reference
from tiny import recipe, write

Run = Callable[..., Result]
LABELS = ["red", "green", "blue"]
METRICS = metrics_of("multilabel")


def tables(least: int = 1) -> st.SearchStrategy[list[tuple[list[bool], list[int]]]]:
    """Rows: which of three labels are right, and how likely each is said to be, in tenths."""
    right = st.lists(st.booleans(), min_size=3, max_size=3)
    likely = st.lists(st.integers(0, 10), min_size=3, max_size=3)
    return st.lists(st.tuples(right, likely), min_size=least, max_size=25)


def arrays(rows: list[tuple[list[bool], list[int]]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([right for right, _ in rows]), np.array([likely for _, likely in rows]) / 10


@given(tables())
def test_the_metrics_are_those_of_scikit_learn(rows: list[tuple[list[bool], list[int]]]) -> None:
    right, likely = arrays(rows)
    there = right.any(0)
    found = {
        name: metric.of(Rows(right.astype(float), likely >= 0.5, likely))
        for name, metric in METRICS.items()
    }
    said = likely >= 0.5
    each = [
        reference.f1_score(right[:, label], said[:, label], zero_division=0)
        for label in np.flatnonzero(there)
    ]
    common = right.sum(0)[there]
    assert found["macro_f1"] == pytest.approx(np.mean(each) if each else np.nan, nan_ok=True)
    weighted = np.average(each, weights=common) if each else np.nan
    assert found["weighted_f1"] == pytest.approx(weighted, nan_ok=True)
    if right.any() or said.any():
        wanted = reference.f1_score(right, said, average="micro", zero_division=0)
        assert found["micro_f1"] == pytest.approx(wanted)
    if there.any():
        wanted = reference.average_precision_score(right[:, there], likely[:, there])
        assert found["mean_average_precision"] == pytest.approx(wanted)


@given(tables())
def test_the_score_of_a_row_is_the_f1_of_its_labels(
    rows: list[tuple[list[bool], list[int]]],
) -> None:
    right, likely = arrays(rows)
    objective = Multilabel("y", LABELS, [1, 1, 1], 3)
    targets = [
        {"y": [name for name, here in zip(LABELS, row, strict=True) if here]} for row in right
    ]
    logits = objective.logits(torch.tensor(likely, dtype=torch.float64))
    score, weight = objective.score(logits, targets)
    wanted = reference.f1_score(right, likely >= 0.5, average="samples", zero_division=1.0)
    assert weight.tolist() == [1.0] * len(rows)
    assert float(score.mean()) == pytest.approx(wanted)


def test_labels_that_training_never_saw_are_missed_and_records_without_a_target_do_not_count() -> (
    None
):
    objective = Multilabel.fit("y", [["a", "b"], ["a", "a", ""], []], 10)
    assert (objective.classes, objective.counts, objective.records) == (["a", "b"], [2, 1], 3)
    logits = torch.tensor([[9.0, -9.0], [9.0, -9.0], [-9.0, -9.0]])
    score, weight = objective.score(logits, [{"y": ["a", "new"]}, {}, {"y": []}])
    assert score.tolist() == pytest.approx([2 / 3, 0, 1])
    assert weight.tolist() == [1, 0, 1]
    assert objective.prior().sigmoid().tolist() == pytest.approx([2 / 3, 1 / 3])


def corpus(root: Path, kind: str, rows: int = 400) -> dict[str, Any]:
    """Each label is right where its word stands in the text; a quarter of the rows has none."""
    random = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        there = [name for name in LABELS if random.random() < 0.37]
        words = [f"w{int(random.integers(5))}", *(f"is{name}" for name in there)]
        split = ("train", "train", "val", "test")[row % 4]
        lines.append({"note": " ".join(random.permutation(words)), "y": there, "split": split})
    if kind == "csv":
        text = "note,y,split\n" + "".join(
            f"{line['note']},{' ; '.join(line['y'])},{line['split']}\n" for line in lines
        )
    else:
        text = "".join(json.dumps(line) + "\n" for line in lines)
    write(root / f"t.{kind}", text)
    return {
        "type": kind,
        "path": f"t.{kind}",
        "text": {"note": "note"},
        "targets": ["y"],
        "split": "{split}",
        **({"lists": {"y": ";"}} if kind == "csv" else {}),
    }


TRAIN = {
    "task": "multilabel",
    "target": "y",
    "inputs": {"note": {"length": 5}},
    "fusion": "mean",
    "width": 16,
    "hidden": 16,
    "epochs": 25,
    "batch_size": 20,
    "device": "cpu",
    "learning_rate": 0.02,
    "dropout": 0.0,
    "modality_dropout": 0.0,
}


@pytest.mark.parametrize(
    ("kind", "metric"), [("csv", "samples_f1"), ("jsonl", "mean_average_precision")]
)
def test_planted_labels_are_learned_from_the_file_to_the_answer(
    tmp_path: Path, run_recipe: Run, kind: str, metric: str
) -> None:
    source = corpus(tmp_path, kind)
    result = run_recipe(recipe(tmp_path, {"t": source}, train={**TRAIN, "metric": metric}))
    report = result.training
    assert report is not None
    assert report["metric"] == metric
    assert report["all"] > 0.97
    assert report["commonest_answer"] < 0.7
    whole = report["subsets"]["note"]
    assert {"samples_f1", "macro_f1", "micro_f1", "weighted_f1"} <= set(whole)
    assert "ece" not in whole, "the score of a set of labels is no chance of being right"
    answer = Predictor(tmp_path / "out" / "training" / "best.pt").one({"note": "isred w1 isblue"})
    assert set(answer["labels"]) == {"red", "blue"}
    assert {one["answer"] for one in answer["answers"][:2]} == {"red", "blue"}
    assert "labels: " in prediction_text(answer)


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"yy": ";"}, "lists.yy: no such target; did you mean 'y'"),
        ({"y": ""}, "lists.y: wanted what stands between the values, found nothing"),
    ],
)
def test_a_list_that_is_none_is_told(
    tmp_path: Path, run_recipe: Run, lists: dict[str, str], told: str
) -> None:
    source = {**corpus(tmp_path, "csv", 8), "lists": lists}
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe(tmp_path, {"t": source}))


def test_cells_of_a_label_table_are_lists_too(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "notes" / "a.txt", "one")
    write(tmp_path / "notes" / "b.txt", "two")
    write(tmp_path / "labels.csv", "file,kinds\na,x| y |\nb,|\n")
    source = {
        "type": "text_folder",
        "path": "notes",
        "labels": {"path": "labels.csv", "match": "{file}"},
        "targets": ["kinds"],
        "lists": {"kinds": "|"},
    }
    run_recipe(recipe(tmp_path, {"t": source}))
    records = table_to_records(read_manifest(tmp_path / "out"))
    targets = {record.origin.id: record.targets for record in records}
    assert targets == {"a": {"kinds": ["x", "y"]}, "b": {}}
