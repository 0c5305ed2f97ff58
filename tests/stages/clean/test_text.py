"""Texts are repaired and normalised."""

from __future__ import annotations

import re
from pathlib import Path

import ftfy
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.clean.text import Text, repair


@pytest.mark.parametrize("code", [0x80, 0x85, 0x91, 0x92, 0x93, 0x94, 0x96, 0x97, 0x99])
def test_control_characters_that_were_windows_1252_become_what_they_meant(code: int) -> None:
    assert repair(f"a{chr(code)}b") == "a" + bytes([code]).decode("cp1252") + "b"


def test_text_decoded_with_the_wrong_encoding_is_put_right() -> None:
    assert repair("schÃ¶n â€“ naÃ¯ve") == "schön – naïve"


@given(
    st.lists(
        st.sampled_from(
            [
                "schön",
                "Straße",
                "naïve",
                "café",
                "你好",
                "señor,",
                "Ærø",
                "Привет",
                "it’s",
                "“so”",
                "x – y",
            ]
        ),
        max_size=8,
    )
)
def test_good_text_stays_as_it_is(words: list[str]) -> None:
    assert repair(" ".join(words)) == " ".join(words)


@given(st.text(max_size=60) | st.text("\x80\x91\x93\x9d\xa0ÂÃâ€™“”‘ö©", max_size=12))
@example("\x9dÂ\x91")
def test_repairing_twice_is_repairing_once_and_so_is_normalising(text: str) -> None:
    assert repair(repair(text)) == repair(text)
    stage = Text(repair=False, unicode="NFKC")
    once = stage.clean(text)
    assert stage.clean(once) == once


def test_stop_words_are_those_of_the_language() -> None:
    assert Text(stop_words=True).clean("What is on the table?") == "table?"


def test_too_few_words_is_a_fault_with_the_measured_value() -> None:
    record = Record("k", "k", Origin("s", "f"), {"text": Part("text", text="one two")})
    fault = Text(min_words=3).fault(record)
    assert fault is not None
    assert (fault.rule, fault.value, fault.threshold) == ("text_too_short", 2, 3)


def test_part_of_speech_without_a_model_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="set 'model'"):
        Text(pos=["NOUN"])


def test_lemmas_and_parts_of_speech_are_those_of_the_model(tmp_path: Path) -> None:
    """A real spaCy pipeline of rules, saved and loaded from its folder."""
    import spacy

    english = spacy.blank("en")
    rules = english.add_pipe("attribute_ruler")
    for word, lemma, tag in (
        ("cats", "cat", "NOUN"),
        ("were", "be", "AUX"),
        ("running", "run", "VERB"),
        ("quickly", "quickly", "ADV"),
    ):
        rules.add([[{"LOWER": word}]], {"LEMMA": lemma, "POS": tag})
    english.to_disk(tmp_path / "rules")
    model = str(tmp_path / "rules")
    assert (
        Text(model=model, lemma=True, pos=["NOUN", "VERB"]).clean("Cats were running quickly")
        == "cat run"
    )
    assert (
        Text(model=model, pos=["ADV", "AUX"]).clean("Cats were running quickly") == "were quickly"
    )
    assert (
        Text(model=model, lemma=True, pos=["NOUN", "VERB"], stop_words=True).clean(
            "Cats were running"
        )
        == "cat run"
    )


def test_a_language_or_model_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="spaCy has no language 'english'"):
        Text(stop_words=True, language="english")
    with pytest.raises(ValueError, match="python -m spacy download en_core_web_lg"):
        Text(lemma=True, model="en_core_web_lg")
    with pytest.raises(ValueError, match="is no folder of a spaCy model"):
        Text(lemma=True, model="models/mine")


@settings(max_examples=400, deadline=None)
@given(
    st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp")),
        min_size=3,
        max_size=30,
    ).filter(lambda text: len(text.encode()) > len(text) + 2 and text == text.strip()),
    st.sampled_from(["latin-1", "cp1252"]),
)
def test_what_was_decoded_wrongly_once_comes_back(text: str, encoding: str) -> None:
    """Any text of any script, wherever ftfy alone can tell the damage from a text that is
    meant so.
    """
    assume(repair(text) == text)
    try:
        wrong = text.encode("utf-8").decode(encoding)
    except UnicodeDecodeError:  # five bytes are nothing in Windows-1252
        return
    assert repair(wrong) == text or ftfy.fix_encoding(wrong) != text


@pytest.mark.parametrize(
    "text",
    [
        "❖ list",
        "“yes”",
        "東京",
        "Íñigo",
        "Á bientôt",
        "café",
        "Привет мир",
        "שלום עולם",
        "مرحبا",
        "สวัสดี",
        "한국어",
        "🙂👍",
        "…",
        "±5°",
        "¿Qué?",
    ],
)
@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252"])
def test_texts_of_many_scripts_come_back(text: str, encoding: str) -> None:
    assert repair(text) == text
    assert repair(text.encode("utf-8").decode(encoding)) == text


def test_terminal_escapes_go_whole() -> None:
    assert repair("\x1b[31mred\x1b[0m \x1b]0;title\x07x") == "red x"
    assert repair("\x1b[31mröd\x1b[0m") == "röd"


def test_a_text_of_more_than_a_million_letters_is_cleaned() -> None:
    cleaned = Text(stop_words=True).clean("the word " * 130_000)
    assert cleaned.split() == ["word"] * 130_000


def test_a_language_that_needs_another_package_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(ValueError, match=r"language: 'ja' needs another package"):
        Text(language="ja", stop_words=True)


@given(st.text(st.sampled_from(" \t\r\n\x0b\x1c\x85\xa0\u2003\u2028\u3000ab"), max_size=30))
def test_spaces_leave_the_words_with_one_space_or_one_line_end_between(text: str) -> None:
    stage = Text(repair=False, unicode="none")
    words = text.split()
    between = re.split(r"\S+", text)[1:-1]
    wanted = words[0] if words else ""
    for space, word in zip(between, words[1:], strict=True):
        wanted += ("\n" if "\n" in space else " ") + word
    assert stage.clean(text) == wanted
