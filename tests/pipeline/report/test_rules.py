"""What the page says of rules: counts as 'modalmill yields' has them, limits, nearest examples."""

from __future__ import annotations

import re
from pathlib import Path

import pandas
from commands import here
from pages import Page


def test_yields_are_those_of_the_table_by_hand(page: Page, ran: Path) -> None:
    table = pandas.read_parquet(ran / "signals.parquet")
    rows = {row["rule"]: row for row in page.table("What each rule takes")}
    rules = [name for name in table.columns if name.startswith("clean.")]
    for rule in rules:
        broken = table[table[rule] == False].key.nunique()  # noqa: E712  # a column of three values
        assert (rule in rows) == (broken > 0)
        if broken:
            assert int(rows[rule]["break it"]) == broken
    assert rows["clean.image.max_dark"]["break it"] == "9"


def test_the_nearest_on_each_side_of_the_limit_are_shown(page: Page) -> None:
    """Picture n is n % dark, and 50 % are allowed."""
    begin = page.text.index("clean.image.max_dark 9 records of 60")
    told = re.findall(r"dark (0\.\d+) ", page.text[begin:])[:8]
    assert told == ["0.51", "0.52", "0.53", "0.54", "0.5", "0.49", "0.48", "0.47"]


def test_a_limit_that_the_corpus_set_is_drawn_where_it_lies(page: Page) -> None:
    """p10 of 0.00, 0.01, ..., 0.50 is 0.05."""
    assert "limit 0.05" in page.source
    assert 'limit 0.5"' in page.source


def test_a_text_is_marked_from_where_it_is_too_long(page: Page) -> None:
    """Four words are allowed; of the two that hold markup the fifth is marked."""
    assert re.search(r"<mark>[^<]*onerror", page.source)


def test_a_medium_that_is_gone_says_so(ran: Path, copied: Path) -> None:
    image = ran.parent / "img" / "51.png"
    data = image.read_bytes()
    image.unlink()
    try:
        assert here("report", copied).returncode == 0
    finally:
        image.write_bytes(data)
    assert "cannot be read any more: img/51.png is not there" in Page(copied / "report.html").text


def test_a_recipe_that_cannot_be_read_costs_the_limits_and_is_told(copied: Path) -> None:
    (copied / "recipe.yaml").write_text("name: [")
    assert here("report", copied).returncode == 0
    page = Page(copied / "report.html")
    assert "Limits are not drawn, for the recipe cannot be read" in page.text
    assert page.table("What each rule takes")
