"""How much of a text is upper case, where it is known, and as the text is after the stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.stages.modalities.text.signals.uppercase_share import uppercase_share
from tiny import recipe, write

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("HELLO", 1.0),
        ("hello", 0.0),
        ("Ab 12, cD!", 0.5),
        ("ÄÖü", 2 / 3),
        ("ЖЁя", 2 / 3),
        # nothing in it has case
        ("", None),
        ("12 !?", None),
        ("漢字", None),
    ],
)
def test_it_is_of_the_letters_that_have_case(text: str, share: float | None) -> None:
    assert uppercase_share(text) == (None if share is None else pytest.approx(share))


@given(st.text(st.characters(codec="ascii")))
def test_it_is_the_rest_of_that_of_the_swapped_text(text: str) -> None:
    found = uppercase_share(text)
    assert uppercase_share(text.swapcase()) == (None if found is None else pytest.approx(1 - found))


def test_a_rule_on_it_judges_the_text_as_stages_left_it(tmp_path: Path, run_recipe: Run) -> None:
    rows = {"a": "HELLO THERE", "b": "Hello there", "c": "cafÃ©", "d": "123"}
    lines = ["id,text", *(f"{key},{text}" for key, text in rows.items())]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    rule = {"clean.rules": {"note.uppercase_share": "<= 0.1"}}
    result = run_recipe(recipe(tmp_path, {"s": source}, ["clean.text", rule], tolerance=1.0))
    table = pandas.read_parquet(tmp_path / "out" / "signals.parquet").set_index("key")
    by_id = {key.split("-")[1]: row for key, row in table.iterrows()}
    assert by_id["a"].uppercase_share == 1.0
    assert by_id["b"].uppercase_share == pytest.approx(0.1)
    assert uppercase_share(rows["c"]) == 0.25
    assert by_id["c"].uppercase_share == 0.0
    assert pandas.isna(by_id["d"].uppercase_share)
    assert {key for key, row in by_id.items() if row.fate == "rejected"} == {"a"}
    notes = result.account.stages[1].notes
    assert notes["kept, for it is not known of them: note.uppercase_share"] == 1
