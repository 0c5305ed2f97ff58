"""Tables: cells of a row from the file to the answer; what is absent is absent in every
spelling.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import DamageError, InputError, RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.stages import stream
from modalmill.stages.modalities.table import TableSpec, as_category, as_cell, as_number
from modalmill.stages.modality import modality
from modalmill.stages.train.evaluation.robustness import robustness
from modalmill.stages.train.use.explain import explain
from modalmill.stages.train.use.predict import Predictor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import recipe, write

TABLE = modality("table")
CITIES = ("Paris", "Rome", "Oslo", "Bonn")


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows whose label follows a logistic model of age, income and city; ``noise`` is a number that
    tells nothing.
    """
    random = np.random.default_rng(seed)
    age, income, city = (
        random.normal(40, 12, rows),
        random.lognormal(3, 1, rows),
        random.integers(0, 4, rows),
    )
    logit = 0.12 * (age - 40) + np.array([1.5, -1.0, 0.0, 0.5])[city] + 0.03 * (income - 20)
    label = np.where(random.uniform(0, 1, rows) < 1 / (1 + np.exp(-logit)), "yes", "no")
    split = np.where(np.arange(rows) % 3 == 0, "test", "train")
    return pd.DataFrame(
        {
            "age": age.round(2),
            "income": income.round(3),
            "city": np.array(CITIES)[city],
            "noise": random.normal(0, 1, rows).round(4),
            "label": label,
            "split": split,
        }
    )


def source(path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": path.rpartition(".")[2],
        "path": path,
        "table": {"cells": ["age", "income", "city"]},
        "targets": ["label"],
        "split": "{split}",
        **more,
    }


def parts_of(out: Path) -> list[dict[str, Any] | None]:
    records = sorted(
        table_to_records(read_manifest(out)), key=lambda record: record.origin.row or 0
    )
    return [
        json.loads(record.parts["cells"].text or "") if "cells" in record.parts else None
        for record in records
    ]


def test_absent_cells_are_null_in_every_spelling_of_every_format(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    table = pd.DataFrame(
        {
            "age": [34.0, None, None],
            "city": ["Paris", "Rome", None],
            "label": ["a", "b", "c"],
            "split": "train",
        }
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "b.csv", index=False, na_rep="NaN")
    table.to_parquet(tmp_path / "c.parquet")
    table.to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    found = {}
    for name in ("a.csv", "b.csv", "c.parquet", "d.jsonl"):
        options = source(name) | {"table": {"cells": ["age", "city"]}}
        run_recipe(
            recipe(tmp_path, {"t": options}, tolerance=1.0),
            tmp_path / name.replace(".", "-"),
            until="manifest",
        )
        found[name] = parts_of(tmp_path / name.replace(".", "-"))
    wanted: list[Any] = [{"age": 34, "city": "Paris"}, {"age": None, "city": "Rome"}, None]
    assert found["a.csv"] == found["b.csv"] == found["c.parquet"] == found["d.jsonl"] == wanted


cells = (
    st.none()
    | st.sampled_from(["", "NaN", "n/a", "null", "-", "Paris", "007", "1e3"])
    | st.floats(-1e6, 1e6)
    | st.integers(-1000, 1000)
)


@given(st.lists(cells, min_size=3, max_size=3))
def test_a_row_is_its_numbers_standardised_and_nan_where_absent(row: list[Any]) -> None:
    spec = TableSpec(columns=["a", "b", "c"], mean=[1.0, -2.0, 0.0], deviation=[2.0, 0.5, 1.0])
    out = np.zeros(3, np.float32)
    spec.fill(json.dumps(dict(zip("abc", row, strict=True))), out)
    for place, (cell, mean, deviation) in enumerate(
        zip(row, spec.mean, spec.deviation, strict=True)
    ):
        number = None if cell is None else as_number(cell)
        if number is None or math.isnan(number):
            assert np.isnan(out[place])
        else:
            assert out[place] == np.float32((number - mean) / deviation)
    again = np.zeros(3, np.float32)
    spec.fill(
        json.dumps({name: cell for name, cell in zip("abc", row, strict=True) if cell is not None}),
        again,
    )
    assert out.tobytes() == again.tobytes(), (
        "a cell that is null and one that is not there are the same"
    )


def test_what_a_column_is_the_training_split_decides() -> None:
    rows = [
        {"age": 30, "zip": "007", "city": "Rome"},
        {"age": "50", "zip": 8, "city": "Oslo"},
        {"age": None, "zip": None, "city": "Rome"},
        None,
    ]
    texts = [None if row is None else json.dumps(row) for row in rows]
    # the options of a table
    fitted = TABLE.fit(TABLE.options(categories=["zip"]), texts)  # type: ignore[call-arg]
    assert fitted == {
        "columns": ["age", "city", "zip"],
        "mean": [40.0, 0.0, 0.0],
        "deviation": [10.0, 1.0, 1.0],
        "categories": {"city": ["Rome", "Oslo"], "zip": ["007", "8"]},
    }
    out = np.zeros(3, np.float32)
    TableSpec(**fitted).fill(json.dumps({"age": 60, "city": "Kyiv", "zip": "8.0"}), out)
    assert out.tolist() == [2.0, 2.0, 2.0], "an unknown category comes after the known ones"
    assert as_category(8.0) == as_category(8) == "8"
    with pytest.raises(InputError, match=r"no cell of the training split is called zipp"):
        TABLE.fit(TABLE.options(categories=["zipp"]), texts)  # type: ignore[call-arg]  # the same


def test_a_huge_number_keeps_its_digits_through_the_standardisation() -> None:
    times = [1_700_000_000 + second for second in range(10)]
    fitted = TABLE.fit(TABLE.options(), [json.dumps({"t": time}) for time in times])
    out = np.zeros((10, 1), np.float32)
    for row, time in zip(out, times, strict=True):
        TableSpec(**fitted).fill(json.dumps({"t": time}), row)
    assert np.allclose(np.diff(out[:, 0]), 1 / np.std(range(10)), rtol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model of the cells and of a table that tells nothing."""
    from modalmill.pipeline.plan import make_plan
    from modalmill.pipeline.run import run
    from modalmill.schemas.recipe import parse_recipe

    root = tmp_path_factory.mktemp("table")
    table = frame(1500)
    table["age"] = table["age"].astype(object).where(np.arange(len(table)) % 11 > 0, None)
    table.to_csv(root / "t.csv", index=False)
    value = recipe(
        root,
        {"t": source("t.csv", table={"cells": ["age", "income", "city"], "junk": ["noise"]})},
        [{"clean.table": {"ranges": {"age": [0, 120]}}}],
        train={
            "target": "label",
            "inputs": {"cells": {"encoder": "table_linear"}, "junk": {"encoder": "table_linear"}},
            "fusion": "add",
            "width": 32,
            "hidden": 32,
            "epochs": 12,
            "batch_size": 32,
            "dropout": 0.0,
            "device": "cpu",
            "modality_dropout": 0.1,
            "learning_rate": 0.003,
        },
    )
    run(make_plan(parse_recipe(value), root), root / "out", "serial")
    return root


def test_a_linear_table_reaches_logistic_regression(trained: Path) -> None:
    table = pd.read_csv(trained / "t.csv")
    numbers = table[["age", "income"]].fillna(table[["age", "income"]].mean())
    features = np.concatenate(
        [numbers, pd.get_dummies(table["city"]), table[["age"]].isna()], 1
    ).astype(float)
    train = (table["split"] == "train").to_numpy()
    reference = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        features[train], table["label"][train]
    )
    theirs = reference.score(features[~train], table["label"][~train])
    report = json.loads((trained / "out" / "training" / "evaluation.json").read_text())
    assert report["subsets"]["cells"]["accuracy"] >= theirs - 0.01
    assert report["commonest_answer"] < theirs - 0.1, "there is something to learn"


def test_a_column_that_tells_nothing_is_worth_nothing(trained: Path) -> None:
    found = robustness(trained / "out" / "training" / "best.pt", trained / "out" / "shards", "test")
    assert abs(found["worth"]["junk"]) < 0.02 < found["worth"]["cells"]


def test_the_stream_gives_rows_and_signals(trained: Path) -> None:
    whole = stream.open(trained / "out" / "shards", "test", 8, shuffle=False)
    batch = next(iter(whole))
    assert batch.lists["cells"][0].keys() == {"age", "income", "city"}
    spec = stream.TableSpec(columns=["age", "income"])
    some = stream.open(
        trained / "out" / "shards",
        "test",
        600,
        shuffle=False,
        parts={"cells": spec},
        where="cells.missing > 0",
        drop_last=False,
    )
    part = next(iter(some)).parts["cells"]
    assert part.shape[1:] == (2,)
    assert part[:, 0].isnan().all(), "the age alone is ever absent"


def test_prediction_takes_cells_and_the_columns_of_a_csv(trained: Path, tmp_path: Path) -> None:
    path = trained / "out" / "training" / "best.pt"
    predictor = Predictor(path)
    old, young = (
        predictor.one({"cells": f"age={age}, income=20, city=Paris"})["answers"][0]
        for age in (80, 5)
    )
    assert (old["answer"], young["answer"]) == ("yes", "no")
    write(
        tmp_path / "rows.csv",
        "key,age,income,city\na,80,20,Paris\nb,,20,Paris\nc,NaN,20,Paris\nd,,,\n",
    )
    rows = {row["key"]: row for row in predictor.rows(tmp_path / "rows.csv")}
    assert rows["a"]["answers"][0] == old
    assert rows["b"]["answers"] == rows["c"]["answers"], (
        "an empty cell and NaN are the same, bit for bit"
    )
    assert rows["d"]["used"] == []
    with pytest.raises(
        InputError, match="the model knows no column agee; it has age, city, income"
    ):
        predictor.one({"cells": "agee=3"})
    with pytest.raises(DamageError, match="wanted cells as age=34, city=Paris"):
        TABLE.given("34", {})
    report = explain(path, {"cells": "age=80, income=20, city=Paris"}).report
    assert report["worth"]["cells"] > 0


def test_a_table_of_tokens_tells_which_cell_carried_the_answer(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    table = frame(400)
    table["label"] = np.where(table["age"] > 40, "old", "young")
    table.to_csv(tmp_path / "t.csv", index=False)
    train = {
        "target": "label",
        "inputs": {"cells": {}},
        "fusion": "attention",
        "width": 32,
        "hidden": 32,
        "epochs": 12,
        "batch_size": 16,
        "dropout": 0.0,
        "device": "cpu",
        "learning_rate": 0.003,
        "checks": False,
    }
    run_recipe(recipe(tmp_path, {"t": source("t.csv")}, train=train))
    found = explain(
        tmp_path / "out" / "training" / "best.pt", {"cells": "age=75, income=20, city=Rome"}
    ).report
    carried = dict(
        zip(found["carried"]["cells"]["tokens"], found["carried"]["cells"]["values"], strict=True)
    )
    assert found["answers"][0]["answer"] == "old"
    assert max(carried, key=lambda name: carried[name]) == "age"


def test_a_cell_that_is_absent_and_one_that_is_nan_give_the_same_bits_and_no_gradient() -> None:
    from modalmill.stages.train.data.part import InputPart
    from modalmill.stages.train.model.encoders.table import TableLinear, TableTokens
    from modalmill.stages.train.options import InputOptions

    fitted = {
        "columns": ["age", "city"],
        "categories": {"city": ["Paris"]},
        "mean": [0.0, 0.0],
        "deviation": [1.0, 1.0],
    }
    for kind in (TableLinear, TableTokens):
        torch.manual_seed(0)
        encoder = kind(8, InputPart("table", InputOptions(), fitted))
        cells = torch.tensor([[math.nan, 0.0], [2.0, 1.0]], requires_grad=True)
        tokens, mask = encoder(cells, None, torch.ones(2, dtype=torch.bool))
        assert torch.isfinite(tokens).all()
        assert mask.all()
        tokens.square().sum().backward()
        assert cells.grad is not None
        assert cells.grad[0, 0] == 0
        assert cells.grad[1, 0] != 0


def test_rules_on_tables_reject_or_take_the_table_away(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "t.csv", "age,city\n34,Paris\n340,Rome\nNaN,nan\n,Oslo\nold,Bonn\n")
    options = {"type": "csv", "path": "t.csv", "table": {"cells": ["age", "city"]}}
    ranged = {"clean.table": {"ranges": {"age": [0, 120]}, "max_missing": 0.4}}
    result = run_recipe(recipe(tmp_path, {"t": options}, [ranged], tolerance=1.0), until="manifest")
    assert result.account.to_dict()["rejects_by_reason"] == {
        "clean.table: table_missing": 1,
        "clean.table: table_out_of_range": 2,
    }
    dropping = {"clean.table": {"ranges": {"age": [0, 120]}, "on_fault": "drop_part"}}
    run_recipe(
        recipe(tmp_path, {"t": options}, [dropping], tolerance=1.0),
        tmp_path / "two",
        until="manifest",
    )
    assert parts_of(tmp_path / "two") == [
        {"age": 34, "city": "Paris"},
        None,
        None,
        {"age": None, "city": "Oslo"},
        None,
    ]


def test_mistakes_are_told_when_the_recipe_is_read(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    frame(30).to_csv(tmp_path / "t.csv", index=False)
    train = {"target": "label", "inputs": {"cells": {"rate_hz": 8000, "crop": "center"}}}
    with pytest.raises(RecipeError) as error:
        run_recipe(
            recipe(
                tmp_path,
                {"t": source("t.csv")},
                [{"clean.table": {"parts": ["cell"]}}],
                train=train,
            )
        )
    text = str(error.value)
    assert (
        "clean.table.parts: nothing before it gives a part called 'cell'; did you mean 'cells'?"
        in text
    )
    assert (
        "train.inputs.cells.rate_hz: an option of audio, and this part is table, which takes"
        " categories, most_categories" in text
    )
    with pytest.raises(InputError, match="has no column 'agee'"):
        run_recipe(
            recipe(tmp_path, {"t": source("t.csv", table={"cells": ["agee"]})}), until="manifest"
        )


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("1.0", 1.0),
        ("2", 2),
        ("007", "007"),
        ("-.5e2", -50.0),
        ("9007199254740993", "9007199254740993"),
        (2**53 + 1, "9007199254740993"),
        (10**400, "1" + "0" * 399),
        ("inf", None),
        ("1e999", None),
        ("-nan", None),
        (math.inf, None),
        (" ", None),
        ("NA", "NA"),
        ("1_000", "1_000"),
        ("1,5", "1,5"),
        (True, True),
        (None, None),
    ],
)
def test_a_value_becomes_the_cell_that_loses_nothing(value: Any, cell: Any) -> None:
    found = as_cell(value)
    assert (found, type(found)) == (cell, type(cell))


def test_absent_words_are_absent_in_categories_and_infinite_numbers_make_none_of_a_column() -> None:
    rows = [
        {"city": word, "age": age}
        for word, age in (
            ("Paris", 1),
            ("NA", "inf"),
            ("?", 2.0),
            ("Rome", "1e999"),
            ("-", 3),
            ("none", "4"),
        )
    ]
    fitted = TABLE.fit(TABLE.options(), [json.dumps(row) for row in rows])
    assert fitted["categories"] == {"city": ["Paris", "Rome"]}
    assert fitted["mean"][0] == 2.5
    for absent in ("NA", "", "None", None, "?"):
        out = np.zeros(2, np.float32)
        TableSpec(**fitted).fill(json.dumps({"city": absent, "age": "inf"}), out)
        assert np.isnan(out).all()


def test_cells_for_prediction_are_read_as_a_source_reads_them() -> None:
    fitted = {"columns": ["age", "grade"], "categories": {"grade": ["1", "2"]}}
    assert json.loads(TABLE.given("age=3.50, grade=2.0", fitted)) == {"age": 3.5, "grade": 2.0}
    assert TABLE.from_row("cells", {"age": "3", "grade": ""}, fitted) == '{"age": "3"}'
    for value, told in (
        ("age=abc", "age: wanted a number, found 'abc'"),
        ('{"age": [1]}', "found a list"),
        ("age=3;grade=1", "wanted a number"),
    ):
        with pytest.raises(DamageError, match=told):
            TABLE.given(value, fitted)


def test_tables_are_columns_and_ranges_name_some_of_them(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "t.csv", "a,l\n1,x\n2,y\n")
    options = {"type": "csv", "path": "t.csv", "targets": ["l"]}
    for table, told in (
        ({"c": ["{a}"]}, "wanted the name of a column, found the template '{a}'"),
        ({"c": []}, "wanted the names of columns, found none"),
    ):
        with pytest.raises(RecipeError, match=told):
            run_recipe(recipe(tmp_path, {"t": {**options, "table": table}}), until="manifest")
    result = run_recipe(
        recipe(
            tmp_path,
            {"t": {**options, "table": {"c": ["a"]}}},
            [{"clean.table": {"ranges": {"aa": [0, 1]}}}],
        ),
        until="manifest",
    )
    assert "records whose tables have no column aa, which ranges names" in json.dumps(
        result.account.to_dict()
    )
