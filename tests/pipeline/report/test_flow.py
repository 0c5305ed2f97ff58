"""The flow on the page is that of the account, and adds up."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from commands import here
from pages import Page

OUT = ("written", "rejected", "merged", "missing")


def number(cell: str) -> int:
    return 0 if cell == "–" else int(cell.replace(",", ""))


def test_what_goes_in_comes_out_at_every_line_and_goes_into_the_next(page: Page) -> None:
    rows = page.table("Records by source and stage")
    assert [row["source or stage"] for row in rows] == [
        *("t", "clean.image", "clean.rules", "clean.text", "clean.duplicates"),
        *("align.split", "shard"),
    ]
    for row in rows:
        assert number(row["in"]) + number(row["copies"]) == sum(number(row[name]) for name in OUT)
    for before, after in itertools.pairwise(rows):
        assert number(after["in"]) == number(before["written"])
    # picture n is n % dark: 51 to 59 go
    assert (number(rows[0]["in"]), number(rows[1]["rejected"])) == (60, 9)


def test_the_shards_hold_what_is_left(page: Page) -> None:
    left = page.table("Records by source and stage")[-1]["written"]
    assert sum(number(row["records"]) for row in page.table("What was written")) == number(left)


def test_an_account_that_does_not_add_up_is_the_first_thing_told(copied: Path) -> None:
    path = copied / "account.json"
    account = json.loads(path.read_text())
    account["stages"]["clean.image"]["written"] -= 1
    path.write_text(json.dumps(account))
    assert here("report", copied).returncode == 0
    text = Page(copied / "report.html").text
    assert "To look at first The account does not add up: clean.image" in text
