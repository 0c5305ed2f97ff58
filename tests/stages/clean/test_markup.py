"""Markup and characters that take no place go, and what is read stays."""

from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.clean._markup import without_html, without_zero_width
from modalmill.stages.clean.text import Text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<p>one</p><p>two <b>three</b></p>", "one\ntwo three"),
        ("a<br/>b<br>c", "a\nb\nc"),
        ("<script>if (a < b) {}</script>x<style>p {}</style><!-- no -->y", "xy"),
        ("<a href='http://x.org/?a=b&amp;c=d'>here</a>", "here"),
        ("caf&eacute; &lt;3 &#x1F600;", "café <3 😀"),
        # no markup
        ("x <y and z> 3", "x <y and z> 3"),
        ("I <3 you, a < b > c, <me@x.org>", "I <3 you, a < b > c, <me@x.org>"),
        ("AT&T R&D", "AT&T R&D"),
        ("<p never closed", "<p never closed"),
    ],
)
def test_markup_goes_and_text_stays(text: str, left: str) -> None:
    assert without_html(text) == left


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_any_text_comes_back_from_its_markup(text: str) -> None:
    assert without_html(f"<div class='a'><b>{html.escape(text)}</b></div>") == text


@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Cs"])))
def test_a_text_without_markup_is_left_alone(text: str) -> None:
    assert without_html(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ze\u200bro\ufeff wi\u00addth\u200e", "zero width"),
        ("a\u200db\u200c", "ab"),
        # a family, and a word of Persian whose letters are kept apart
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),
        ("\u202eevil\u202c", "evil"),
    ],
)
def test_characters_without_a_place_go_but_for_joiners_that_say_something(
    text: str, left: str
) -> None:
    assert without_zero_width(text) == left


@given(st.text())
def test_nothing_that_is_seen_goes(text: str) -> None:
    kept = without_zero_width(text)
    assert [c for c in kept if unicodedata.category(c) != "Cf" and c not in "\u034f\u180e"] == [
        c for c in text if unicodedata.category(c) != "Cf" and c not in "\u034f\u180e"
    ]
    assert without_zero_width(kept) == kept


def test_equal_looking_texts_are_one_after_the_stage() -> None:
    stage = Text(strip_html=True, strip_zero_width=True)
    assert stage.clean("<i>caf&eacute;</i>\u200b") == stage.clean("cafe\u0301") == "café"
    assert Text().clean("<i>a</i>") == "<i>a</i>"
