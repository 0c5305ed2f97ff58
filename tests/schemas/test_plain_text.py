"""Tables and texts fit the columns that there are, and break nothing that a person copies."""

from __future__ import annotations

import pytest
from modalmill.schemas.plain_text import plain_table, render_text, width
from rich.cells import cell_len

KEY = "vqa-images-COCO_train2014_000000000042-jpg-9cd4aa1aca1214f0"


def test_a_table_that_fits_stands_in_columns() -> None:
    table = plain_table("part", "records", right=("records",))
    table.add_row("image", "1,200")
    table.add_row("note", "7")
    assert render_text(table, columns=40) == ("part   records\nimage    1,200\nnote         7")


def test_a_sentence_in_the_last_column_goes_on_below_itself() -> None:
    table = plain_table("key", "what")
    table.add_row("pets-1", "the width is 12 pixels and 32 were wanted at least")
    assert render_text(table, columns=40) == (
        "key     what\npets-1  the width is 12 pixels and 32\n        were wanted at least"
    )


def test_a_row_that_does_not_fit_is_a_paragraph_with_whole_keys_and_named_numbers() -> None:
    table = plain_table("key", "fate", "image.dark", right=("image.dark",))
    table.add_row(KEY, "written", "0.31")
    assert render_text(table, columns=60) == f"{KEY}\n  written  image.dark 0.31"


@pytest.mark.parametrize("columns", [40, 60, 80, 118])
def test_nothing_is_wider_but_for_what_cannot_be_broken(columns: int) -> None:
    table = plain_table("key", "where", "number", "what", right=("number",))
    table.add_row(KEY, "images/猫の写真/0001.jpg, row 12", "1,234", "a sentence of words " * 9)
    text = render_text(table, "  beside it a line of words " * 6, columns=columns)
    for line in text.splitlines():
        assert cell_len(line) <= columns or KEY in line
    assert KEY in text.split()


def test_the_columns_are_those_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert width() == 72
    monkeypatch.setenv("COLUMNS", "5")
    assert width() == 40
