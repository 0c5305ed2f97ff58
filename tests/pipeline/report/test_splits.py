"""Presence and classes over the splits, against pandas."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
from pages import Page


def test_presence_and_classes_are_those_of_the_manifest(page: Page, ran: Path) -> None:
    table = pandas.read_parquet(ran / "manifest" / "part-00000.parquet")
    has_sound = table.parts.map(lambda parts: any(part["name"] == "sound" for part in parts))
    rows = page.table("Parts that are present together")
    for row in rows[:-1]:
        own = table[has_sound == (row["sound"] == "●")]
        assert int(row["records"]) == len(own)
        for split in ("train", "val", "test"):
            assert int(row[split].replace("–", "0")) == (own.split == split).sum()
    assert len(rows) == 3
    classes = table.targets.map(lambda text: json.loads(text)["answer"]).value_counts()
    shown = {row["answer"]: int(row["records"]) for row in page.table("answer: 2 values")}
    assert shown == classes.to_dict()
