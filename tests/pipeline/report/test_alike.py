"""Sets of records that are alike, with what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from commands import here
from pages import Page
from tiny import csv_source, recipe, write


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    root: Path = tmp_path_factory.mktemp("alike")
    near = [f"a b c d e f g h i j k l m n o p q r s t u v w x y z end{number}" for number in (1, 2)]
    texts = ["one text that is there twice", "one text that is there twice", *near, "alone here"]
    lines = ["id,note", *(f"{number},{text}" for number, text in enumerate(texts))]
    write(root / "t.csv", "\n".join(lines))
    stages = [{"clean.duplicates": {"near_texts": "group"}}]
    value = recipe(root, {"t": csv_source("note")}, stages, shard={}, tolerance=1.0)
    write(root / "r.yaml", yaml.safe_dump(value))
    assert here("run", root / "r.yaml", "--out", root / "out", "--engine", "serial").returncode == 0
    assert here("report", root / "out").returncode == 0
    return Page(root / "out" / "report.html")


def test_pairs_are_counted_by_kind(page: Page) -> None:
    kinds = {row["kind"]: row["pairs"] for row in page.table("What they have in common")}
    assert kinds == {"content": "1", "near-text": "1"}


def test_the_text_of_a_record_that_was_merged_is_shown(page: Page) -> None:
    assert page.source.count("<blockquote>one text that is there twice</blockquote>") >= 2


def test_the_words_that_differ_are_marked(page: Page) -> None:
    assert "<mark>end2</mark>" in page.source
    assert "<mark>end1</mark>" not in page.source
