"""Templates name columns of any header, and fill them as they stand."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from modalmill.stages.template import as_template, can_name, field_of, fields, fill, problems

HEADERS = st.text("ab: {}'\"/.0d-", min_size=1, max_size=8)


@given(HEADERS, st.sampled_from(["", "stem", "lower", "03d"]))
def test_a_template_of_any_header_names_that_column_and_no_other(name: str, form: str) -> None:
    assume(can_name(name))
    template = field_of(name, form)
    assert fields(template) == (name,)
    assert problems(template, [name]) == []
    assert fill(f"<{template}>", {name: "7"}) == ("<007>" if form == "03d" else "<7>")
    assert fill(template, {name: None}) is None


@given(HEADERS)
def test_only_headers_with_both_quotes_cannot_be_named(name: str) -> None:
    if not can_name(name):
        assert {"'", '"'} <= set(name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("file", "{file}"),
        ("file:stem", "{file:stem}"),
        ("id:012d", "{id:012d}"),
        ("img/{file}", "img/{file}"),
        ("Q1: income", '{"Q1: income"}'),
        ("what's said", "{what's said}"),
    ],
)
def test_a_column_by_itself_is_a_template_of_it(text: str, wanted: str) -> None:
    assert as_template(text) == wanted
