"""What a run left reads well, as a text and in a notebook, and opens its own tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from modalmill.pipeline.result import Result
from modalmill.pipeline.texts import account_text
from modalmill.schemas.account import Account
from modalmill.schemas.errors import InputError
from tiny import csv_source, recipe, write


@pytest.fixture
def result(tmp_path: Path, run_recipe: Callable[..., Any]) -> Result:
    rows = ["id,words", "1,good day", "2,<b>bold</b>", "1,again", "3,"]
    write(tmp_path / "t.csv", "\n".join(rows))
    require = {"align.require": {"parts": ["words"]}}
    return run_recipe(recipe(tmp_path, {"rows": csv_source("words")}, [require]))


def test_tables_are_those_on_disk(result: Result) -> None:
    assert result.manifest()["key"].to_pylist() == ["rows-1", "rows-2"]
    assert result.rejects().equals(pq.read_table(result.out / "rejects.parquet"))
    assert sorted(result.rejects()["rule"].to_pylist()) == ["duplicate_id", "no words"]
    assert result.rejects("align.require")["key"].to_pylist() == ["rows-3"]
    assert set(result.signals()["key"].to_pylist()) == {"rows-1", "rows-2"}
    assert result.rejects().to_pandas()["stage"].tolist() == ["ingest:rows", "align.require"]


def test_a_stage_that_did_not_run_is_told(result: Result) -> None:
    with pytest.raises(InputError, match=r"did you mean 'align.require'\?"):
        result.rejects("align.requir")


def test_it_reads_as_a_sentence_and_prints_as_the_command_line(result: Result) -> None:
    assert repr(result.account) == "Account(4 in, 2 written; 1 source, 2 stages; adds up)"
    assert repr(result) == f"Result({str(result.out)!r}, {result.account!r})"
    assert str(result) == account_text(result.account)


def test_a_notebook_shows_the_account(result: Result) -> None:
    shown = result._repr_html_()
    assert shown.count("<tr>") == 1 + 3 + 1 + 2
    assert "align.require: no words" in shown
    assert "The account adds up." in shown
    assert str(result.out) in shown


def test_tables_that_were_not_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Result(Account(), tmp_path).manifest()
