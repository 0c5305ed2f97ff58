"""Nothing but text comes of a text."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.report.markup import Markup, data_table, element, end_of, shortened


@given(st.text())
def test_a_text_comes_back_from_markup_as_it_was(text: str) -> None:
    """But for controls and half letters, which are written out."""
    shown = element("td", text, title=text)
    inside = re.fullmatch(r'<td title="([^"<>]*)">([^<>]*)</td>', shown)
    assert inside is not None
    assert html.unescape(inside[1]) == html.unescape(inside[2])
    if text.isprintable():
        assert html.unescape(inside[2]) == text


def test_markup_stands_as_it_is_and_its_like_does_not() -> None:
    assert element("p", Markup("<b>a</b>"), "<b>") == "<p><b>a</b>&lt;b&gt;</p>"


def test_what_turns_the_direction_of_writing_is_written_out() -> None:
    assert element("b", "a\u202eb\x00") == "<b>a\\u202eb\\u0000</b>"


def test_a_table_has_a_caption_and_heads_of_rows_and_columns() -> None:
    whole = data_table("Some", ["name", "records"], [["a", "1,000"]], " n")
    assert "<caption>Some</caption>" in whole
    assert '<th scope="col" class="number">records</th>' in whole
    assert '<th scope="row">a</th><td class="number">1,000</td>' in whole


def test_what_is_cut_is_counted() -> None:
    assert shortened("x" * 300, 280) == "x" * 280 + "… (20 more characters)"
    assert end_of("a/" * 30 + "b.jpg") == "…/b.jpg"
