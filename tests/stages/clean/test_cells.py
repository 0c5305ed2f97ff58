"""What is wanted of cells: known answers, pandas' duplicates, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import read_rejects
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import Row, read_manifest, rows_to_table, table_to_records
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.base import Addressed, RecordStage, make
from modalmill.stages.clean.table import Table
from tiny import recipe, write

Run = Callable[..., Result]
CELLS = st.sampled_from([1, 1.0, "1", "a", "A", 2, None, "", "nan"])


def record(number: int, **cells: Any) -> Record:
    parts = {"cells": Part("table", text=json.dumps(cells))}
    return Record(f"k{number:03}", "g", Origin("s", "t.csv", number), parts)


def broken(stage: RecordStage, cells: dict[str, Any]) -> str | None:
    fault = stage.fault(record(0, **cells))
    return fault and fault.rule


@pytest.mark.parametrize(
    ("options", "cells", "rule"),
    [
        ({"required": ["a"]}, {"a": 0}, None),
        ({"required": ["a"]}, {"a": "n/a"}, "table_lacks_cell"),
        ({"required": ["a"]}, {"b": 1}, "table_lacks_cell"),
        ({"allowed": {"a": ["x", 2]}}, {"a": "x"}, None),
        ({"allowed": {"a": ["x", 2]}}, {"a": "2.0"}, None),
        ({"allowed": {"a": ["x", 2]}}, {"a": "X"}, "table_not_allowed"),
        ({"allowed": {"a": ["x", 2]}}, {"a": 3}, "table_not_allowed"),
        ({"allowed": {"a": ["x"]}}, {"a": None}, None),
        ({"patterns": {"a": r"[A-Z]{1,3}-\d+"}}, {"a": "AB-12"}, None),
        ({"patterns": {"a": r"[A-Z]{1,3}-\d+"}}, {"a": "AB-12x"}, "table_not_matched"),
        ({"patterns": {"a": r"\d{4}"}}, {"a": 1999.0}, None),
        ({"patterns": {"a": r"\d{4}"}}, {"a": 19999}, "table_not_matched"),
        ({"patterns": {"a": r"\d{4}"}}, {"a": ""}, None),
        ({"rules": ["a <= b"]}, {"a": 1, "b": 1}, None),
        ({"rules": ["a <= b"]}, {"a": 2, "b": 1}, "table_breaks_rule"),
        ({"rules": ["a <= b"]}, {"a": 2, "b": None}, None),
        ({"rules": ["a >= 18 or b == 0"]}, {"a": 3, "b": 0}, None),
        ({"rules": ["a >= 18 or b == 0"]}, {"a": 3, "b": 9}, "table_breaks_rule"),
        ({"rules": ["`a b` == 'x'"]}, {"a b": "y"}, "table_breaks_rule"),
        ({"rules": ["a == 1"]}, {"a": True}, None),
    ],
)
def test_a_cell_keeps_its_rule_or_not(
    options: dict[str, Any], cells: dict[str, Any], rule: str | None
) -> None:
    assert broken(Table(**options), cells) == rule


@given(st.lists(CELLS, min_size=1, max_size=12))
def test_unique_keeps_what_pandas_keeps_in_any_order(values: list[Any]) -> None:
    records = [record(number, a=value) for number, value in enumerate(values)]
    stage = Table(unique=["a"])
    # 1, 1.0 and "1" are one value; what is absent is none
    known = pandas.Series(values, dtype=object).map(
        lambda cell: None if cell in (None, "", "nan") else "1" if cell in (1, "1") else str(cell)
    )
    wanted = (~known.duplicated() | known.isna()).tolist()
    for order in (records, records[::-1]):
        table = rows_to_table(map(Row, order)).select(list(stage.fitted_on))
        fitted = stage.fitted(table)
        assert [fitted.fault(each) is None for each in records] == wanted


def test_what_breaks_a_rule_is_told_with_its_value(tmp_path: Path, run_recipe: Run) -> None:
    rows = ["1,AB-1,f,3,5,x", "2,AB-2,m,9,5,x", "3,ab,f,3,5,y", "4,AB-4,z,3,5,x", "1,AB-5,,,5,y"]
    write(tmp_path / "t.csv", "\n".join(["id,plate,sex,start,end,label", *rows]))
    cells = ["id", "plate", "sex", "start", "end"]
    source = {"type": "csv", "path": "t.csv", "id": "{plate}", "table": {"cells": cells}}
    source["targets"] = ["label"]
    options = {
        "patterns": {"plate": r"[A-Z]{2}-\d"},
        "allowed": {"sex": ["f", "m"], "colour": ["red"]},
        "unique": ["id"],
        "rules": ["start <= end"],
    }
    stages = [{"clean.table": options}]
    result = run_recipe(recipe(tmp_path, {"s": source}, stages, tolerance=1.0))
    out = tmp_path / "out"
    assert [each.origin.id for each in table_to_records(read_manifest(out))] == ["AB-1"]
    assert result.account.stages[0].reasons == {
        "table_breaks_rule": 1,
        "table_not_matched": 1,
        "table_not_allowed": 1,
        "table_not_unique": 1,
    }
    told = "records whose tables have no column colour, which allowed names"
    assert result.account.stages[0].notes == {told: 5}
    messages = {row["rule"]: row["message"] for row in read_rejects(out)}
    assert messages["table_not_allowed"] == "cells: allowed.sex wants one of ['f', 'm'], found z"
    assert messages["table_not_unique"].endswith("a value that s-AB-1 does not have, found 1")
    assert "rules.start <= end wants start <= end, found" in messages["table_breaks_rule"]
    table = pandas.read_parquet(out / "signals.parquet").set_index("key")
    assert table.loc["s-AB-4", "clean.table.allowed.sex"] == False  # noqa: E712  # numpy's
    assert table.loc["s-AB-5", "clean.table.allowed.sex"] is None


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"clean.table": {"patterns": {"a": "["}}}, "no regular expression"),
        ({"clean.table": {"rules": ["start"]}}, "is no condition"),
        ({"clean.table": {"rules": ["start <"]}}, "cannot be read"),
        ({"clean.table": {"allow": {"a": [1]}}}, "did you mean 'allowed'"),
        ({"clean.rules": {"label": "matches ["}}, "no regular expression"),
        ({"clean.rules": {"stars": "matches a"}}, "compares it with another kind"),
        ({"clean.rules": {"stars + 1": "matches a"}}, "the name of one text"),
    ],
)
def test_mistakes_are_told(
    stage: dict[str, Any], told: str, tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "t.csv", "id,label,stars\n1,a,2")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "targets": ["label"]}
    source["numbers"] = ["stars"]
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe(tmp_path, {"s": source}, [stage]))


def test_a_target_matches_from_end_to_end(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "t.csv", "id,code\n1,A123\n2,A1234\n3,a123\n4,")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "targets": ["code"]}
    stage = {"clean.rules": {"code": r"matches [A-Z]\d{3}"}}
    result = run_recipe(recipe(tmp_path, {"s": source}, [stage], tolerance=1.0))
    assert sorted(each.origin.id for each in table_to_records(read_manifest(tmp_path / "out"))) == [
        "1",
        "4",
    ]
    assert result.account.stages[0].reasons == {r"code matches [A-Z]\d{3}": 2}


def test_the_rules_of_the_docs_are_rules() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    block = docs[docs.index("stages:\n  - clean.table:") :].partition("```")[0]
    for stage in yaml.safe_load(block)["stages"]:
        ((address, options),) = stage.items()
        made, lines = make(address, Addressed, options, address)
        assert lines == []
        assert made is not None
