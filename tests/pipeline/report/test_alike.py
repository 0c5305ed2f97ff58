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


def test_sets_in_several_splits_are_told(page: Page, tmp_path: Path) -> None:
    assert "No set lies in several splits." in page.source
    # with splits of their own, as they came
    texts = ["a b c d e f g", "A B, C D E F G!", "h i j k l m n", "H I J K L M N.", "alone it is"]
    splits = ["train", "test", "train", "train", "test"]
    rows = enumerate(zip(texts, splits, strict=True))
    lines = ["id,note,split", *(f'{number},"{text}",{split}' for number, (text, split) in rows)]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("note", split="{split}")
    stages = ["clean.duplicates"]
    value = recipe(tmp_path, {"t": source}, stages, shard={}, tolerance=1.0)
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    out = tmp_path / "out"
    assert here("run", tmp_path / "r.yaml", "--out", out, "--engine", "serial").returncode == 0
    assert here("report", out).returncode == 0
    found = Page(out / "report.html")
    assert found.table("Sets in several splits") == [
        {"kind": "text", "splits": "test + train", "sets": "1"}
    ]
    assert "1 set of records that are alike in several splits" in found.source
