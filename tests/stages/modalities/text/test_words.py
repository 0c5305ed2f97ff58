"""Where texts of any script are cut into words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.modalities.text.words import words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("图片中的狗", ["图", "片", "中", "的", "狗"]),
        ("iPhone手机", ["iphone", "手", "机"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("What's up, café?", ["what's", "up", ",", "café", "?"]),
        ("한국어 문장", ["한국어", "문장"]),
    ],
)
def test_words_of_every_script(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_english_is_cut_as_ever(text: str) -> None:
    import re

    assert words(text) == re.findall(r"[^\W_]+(?:'[^\W\d_]+)?|[^\w\s]|_", text.lower())
