"""Labels that are likely wrong, of a table that another program wrote."""

from __future__ import annotations

from pathlib import Path

import pandas
from commands import here
from pages import Page


def test_only_what_is_taken_for_wrong_is_shown_the_least_likely_first(copied: Path) -> None:
    keys = sorted(pandas.read_parquet(copied / "manifest" / "part-00000.parquet").key)[:3]
    pandas.DataFrame(
        {
            "key": keys,
            "given": ["<i>yes</i>", "no", "no"],
            "suggested": ["no", "<i>yes</i>", None],
            "self_confidence": [0.25, 0.01, None],
            "margin": [-0.5, -0.98, None],
            "is_error": [True, True, None],
        }
    ).to_parquet(copied / "labels.parquet")
    assert here("report", copied).returncode == 0
    page = Page(copied / "report.html")
    pairs = [(row["given"], row["likely"]) for row in page.table("Given, and likelier")]
    assert pairs == [("<i>yes</i>", "no"), ("no", "<i>yes</i>")]
    begin = page.text.index("Labels that are likely wrong")
    said = [f"{given} has p {p}" for given, p in (("given", "0.01"), ("given", "0.25"))]
    places = [page.text.index(word, begin) for word in said]
    assert places == sorted(places)
    assert "2 labels likely wrong" in page.text
