"""Outliers that were planted are found, and scores are those of scikit-learn and scipy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import read_rejects
from modalmill.schemas.columns import narrowed
from modalmill.schemas.contents import Contents
from modalmill.schemas.errors import MissingPackageError, RecipeError
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.base import Addressed, Decision, make
from modalmill.stages.clean import outliers as module
from modalmill.stages.clean._outlying import (
    isolation,
    neighbour_distances,
    usual_distance,
    within_fences,
)
from modalmill.stages.clean.outliers import Outliers
from scipy.stats import iqr
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from tiny import recipe, write

Run = Callable[..., Result]
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


def decided(
    stage: Outliers, targets: list[dict[str, Any]], splits: list[str] | None = None
) -> dict[str, Decision]:
    rows = [
        Row(
            Record(
                f"k{place:04}",
                "g",
                Origin("s", "f"),
                targets=own,
                split=splits[place] if splits else None,
            )
        )
        for place, own in enumerate(targets)
    ]
    return stage.decide(narrowed(rows_to_table(rows), stage.reads()))  # type: ignore[return-value]


def rejected(decisions: dict[str, Decision]) -> list[int]:
    return sorted(int(key[1:]) for key, decision in decisions.items() if decision.fault)


def on_a_line(count: int = 300, seed: int = 5) -> np.ndarray:
    """Points near a line, the last of which is usual in each of its numbers and off the line."""
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    points = np.stack([x, x + random.normal(scale=0.05, size=count)], axis=1)
    points[-1] = [1.0, -1.0]
    return points


def as_targets(points: np.ndarray) -> list[dict[str, Any]]:
    return [{"x": float(x), "y": float(y)} for x, y in points]


@given(NUMBERS, st.floats(0, 5))
def test_fences_are_those_of_tukey(values: list[float], fences: float) -> None:
    array = np.array(values)
    low, high = within_fences(array, fences)
    first, third = np.percentile(array, [25, 75])
    assert low == pytest.approx(first - fences * iqr(array), abs=1e-6)
    assert high == pytest.approx(third + fences * iqr(array), abs=1e-6)


def test_quartiles_find_a_planted_value_and_tell_the_interval() -> None:
    found = decided(
        Outliers(column="y", by="iqr"), [{"y": n % 10} for n in range(100)] + [{"y": 90}]
    )
    assert rejected(found) == [100]
    fault = found["k0100"].fault
    assert fault is not None
    # quartiles of 0..9 tenfold with one more are 2 and 7
    assert (fault.value, fault.threshold) == (90.0, "-5.5 .. 14.5")


@given(st.integers(0, 20), st.sampled_from([1, 3, 10]))
def test_distances_are_those_of_scikit_learn(seed: int, neighbours: int) -> None:
    random = np.random.default_rng(seed)
    typical, others = random.normal(size=(30, 3)), random.normal(size=(7, 3))
    centre = np.median(typical, axis=0)
    scale = 1.4826 * np.median(np.abs(typical - centre), axis=0)
    reference = NearestNeighbors(n_neighbors=neighbours).fit((typical - centre) / scale)
    # without rows it takes each for no neighbour of itself
    itself = reference.kneighbors()[0][:, -1]
    assert neighbour_distances(typical, typical, neighbours) == pytest.approx(itself)
    wanted = reference.kneighbors((others - centre) / scale)[0][:, -1]
    assert neighbour_distances(typical, others, neighbours) == pytest.approx(wanted)


def test_a_value_far_from_records_that_are_all_alike_is_found() -> None:
    targets = [{"y": float(n % 10)} for n in range(500)] + [{"y": 90.0}]
    assert rejected(decided(Outliers(column="y", by="knn"), targets)) == [500]


def test_distances_of_few_and_of_equal_records() -> None:
    same = np.ones((4, 2))
    assert neighbour_distances(same, same, 3).tolist() == [0.0] * 4
    assert usual_distance(np.zeros(4), 5) == 0.0
    two = np.array([[0.0], [1.0]])
    assert np.isfinite(neighbour_distances(two, two, 5)).all()
    assert np.isfinite(neighbour_distances(two[:1], two, 5)).all()


@pytest.mark.parametrize("by", ["knn", "isolation_forest"])
def test_what_is_usual_in_each_number_and_in_none_together_is_found(by: Any) -> None:
    targets = as_targets(on_a_line())
    found = decided(Outliers(column=["x", "y"], by=by), targets)
    assert 299 in rejected(found)
    # both take the ends of the line as well
    assert len(rejected(found)) <= 15
    for alone in ("mad", "iqr"):
        assert 299 not in rejected(decided(Outliers(column=["x", "y"], by=alone), targets))


def test_scores_are_those_of_scikit_learn_in_any_order() -> None:
    points = on_a_line()
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=3).fit(points)
    assert isolation(points, points, 3) == pytest.approx(-forest.score_samples(points))
    stage = Outliers(column=["x", "y"], by="isolation_forest", seed=3)
    rows = [
        Row(Record(f"k{place:04}", "g", Origin("s", "f"), targets=own))
        for place, own in enumerate(as_targets(points))
    ]
    tables = [narrowed(rows_to_table(each), stage.reads()) for each in (rows, rows[::-1])]
    one, other = (stage.decide(table) for table in tables)
    assert one == other


def test_limits_of_the_training_split_are_not_moved_by_the_others() -> None:
    targets = [{"y": float(n % 5)} for n in range(50)] + [{"y": 40.0 + n % 9} for n in range(60)]
    splits = ["train"] * 50 + ["test"] * 60
    assert not set(rejected(decided(Outliers(column="y"), targets, splits))) & set(range(50, 110))
    found = decided(Outliers(column="y", fit_split="train"), targets, splits)
    assert rejected(found) == list(range(50, 110))
    folds = ["fold1", "fold2"] * 25 + ["fold3"] * 60
    assert decided(Outliers(column="y", fit_split="fold1+fold2"), targets, folds) == found
    of_train = decided(Outliers(column="y"), targets[:50])
    assert rejected(of_train) == []
    for by in ("iqr", "knn", "isolation_forest"):
        stage = Outliers(column="y", by=by, fit_split="train", score=0.55)  # type: ignore[arg-type]
        assert rejected(decided(stage, targets, splits))[-60:] == list(range(50, 110))


def test_a_number_that_is_not_known_is_kept_and_told() -> None:
    targets = [{"y": n % 5, "x": 1} for n in range(20)] + [{"x": 2}, {"y": "word", "x": 1}]
    found = decided(Outliers(column=["x", "y"], by="knn"), targets)
    assert rejected(found) == []
    note = "kept, for it is not known of them: x, y"
    assert {key: each.note for key, each in found.items()} == {"k0020": note, "k0021": note}


def test_cells_of_a_table_are_numbers_too(tmp_path: Path, run_recipe: Run) -> None:
    rows = [f"{n},{20 + n % 7},{n % 3}" for n in range(40)]
    write(tmp_path / "t.csv", "\n".join(["id,age,label", *rows, "40,900,1", "41,,1"]))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "table": {"cells": ["age"]}}
    source["targets"] = ["label"]
    stage = {"clean.outliers": {"column": "cells.age", "by": "iqr"}}
    result = run_recipe(recipe(tmp_path, {"s": source}, [stage], tolerance=1.0))
    assert result.account.stages[0].rejected == 1
    assert result.account.stages[0].notes == {"kept, for it is not known of them: cells.age": 1}
    reject = read_rejects(tmp_path / "out")[0]
    assert reject["value"] == "900"
    assert "cells.age lies more than 1.5 interquartile ranges" in reject["message"]


def test_a_part_of_tables_is_taken_beside_texts() -> None:
    text = json.dumps({"age": "30"})
    parts = {"cells": Part("table", text=text), "note": Part("text", text="x")}
    rows = [Row(Record(f"k{n}", "g", Origin("s", "f"), parts)) for n in range(3)]
    stage = Outliers(column="cells.age")
    assert stage.decide(narrowed(rows_to_table(rows), stage.reads())) == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"column": []}, "found none"),
        ({"column": "y", "by": "iqr", "fences": -1}, "fences of 0 or more"),
        ({"column": "y", "by": "knn", "neighbours": 0}, "one neighbour at least"),
        ({"column": "y", "score": 1.5}, "in \\(0, 1\\]"),
        ({"column": "y", "by": "forest"}, "by"),
        ({"column": ["y", "yy"]}, "called 'yy'"),
        ({"column": "y", "fit_split": "train"}, "records have no split"),
    ],
)
def test_mistakes_are_told(
    options: dict[str, Any], told: str, tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "t.csv", "id,y\n1,1\n2,2")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "numbers": ["y"]}
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe(tmp_path, {"s": source}, [{"clean.outliers": options}]))


def test_a_split_that_there_is_no_record_of_says_nothing_of_any() -> None:
    assert decided(Outliers(column="y", fit_split="val"), [{"y": 1.0}, {"y": 9.0}]) == {}
    assert Outliers(column="y").mistakes(Contents(targets={"y": "number"})) == []


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"modalmill\[outliers\]"):
        Outliers(column="y", by="isolation_forest")


def test_the_outliers_of_the_docs_can_be_made() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    block = docs[docs.index("stages:\n  - clean.outliers:") :].partition("```")[0]
    stages = yaml.safe_load(block)["stages"]
    assert [make(*stage, Addressed, *stage.values(), "s")[1] for stage in stages] == [[]] * 4
