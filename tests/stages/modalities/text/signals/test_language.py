"""Which language a text is in, and that rules, tables and streams have it as a word."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import commands
import pandas
import pytest
from modalmill.pipeline.catalogue import signals_text
from modalmill.pipeline.looking import look_text
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import measured_text
from modalmill.schemas.errors import InputError, MissingPackageError, RecipeError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages import stream
from modalmill.stages.modalities.text import language as network
from modalmill.stages.modalities.text.language import LANGUAGES, language_of
from tiny import recipe, write

Run = Callable[..., Result]
LINES = {
    "en": (
        "What is on the table?",
        "a man riding a wave on top of a surfboard",
        "I love this song",
    ),
    "de": ("Was liegt auf dem Tisch?", "ein Mann reitet auf einer Welle", "Ich liebe dieses Lied"),
    "fr": ("Qu'est-ce qu'il y a sur la table ?", "un homme surfe sur une vague", "J'adore ça"),
    "es": ("¿Qué hay sobre la mesa?", "un hombre montando una ola", "Me encanta esta canción"),
    "it": ("Che cosa c'è sul tavolo?", "un uomo cavalca un'onda", "Adoro questa canzone"),
    "ru": ("Что лежит на столе?", "мужчина едет на волне"),
    "zh": ("桌子上有什么？", "一个男人在冲浪"),
    "ja": ("テーブルの上に何がありますか", "男がサーフィンをしている"),
    "pt": ("O que está sobre a mesa?", "um homem surfando uma onda", "Adoro essa música"),
}


def test_short_lines_in_nine_languages_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network is asked for")

    monkeypatch.setattr(socket, "socket", refused)
    network._network.cache_clear()
    found = [(name, language_of(line), line) for name, lines in LINES.items() for line in lines]
    wrong = [each for each in found if each[1] is None or each[1][0] != each[0]]
    assert len(found) == 24
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("text", ["", "12:30", "!?", "\n"])
def test_of_a_text_without_letters_nothing_is_known(text: str) -> None:
    assert language_of(text) is None


def test_the_words_are_those_of_the_network() -> None:
    labels, _ = (
        network._network()
        ._get_model(low_memory=True, fallback_on_memory_error=False)
        .predict("a", k=500, threshold=-1.0)
    )
    assert sorted(label.removeprefix("__label__") for label in labels) == sorted(LANGUAGES)


def test_messages_of_sms_and_lines_of_meld_are_mostly_english(shared: Path) -> None:
    with (shared / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as file:
        texts = [row[1] for row in csv.reader(file)][1:1001]
    found = [language_of(text) for text in texts]
    assert sum(each is not None and each[0] == "en" for each in found) / len(texts) >= 0.93


def test_rules_tables_and_streams_have_it_as_a_word(tmp_path: Path, run_recipe: Run) -> None:
    rows = {
        "a": "What is on the table?",
        "b": "Was liegt auf dem Tisch?",
        "c": "12",
        "d": "мужчина",
    }
    lines = ["id,text,label", *(f"{key},{text},{key}" for key, text in rows.items())]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    source["targets"] = ["label"]
    rule = {"clean.rules": {"note.language": ["en", "de"]}}
    made = recipe(tmp_path, {"s": source}, [rule], tolerance=1.0)
    result = run_recipe(made)
    out = tmp_path / "out"
    table = pandas.read_parquet(out / "signals.parquet").set_index("key")
    by_id = {key.split("-")[1]: row for key, row in table.iterrows()}
    assert [by_id[each].language for each in "abd"] == ["en", "de", "ru"]
    assert pandas.isna(by_id["c"].language)
    assert {key for key, row in by_id.items() if row.fate == "rejected"} == {"d"}
    rejects = pandas.read_parquet(out / "rejects.parquet")
    assert "note.language is ru; wanted in [en, de]" in rejects.message[0]
    assert result.account.stages[0].notes["kept, for it is not known of them: note.language"] == 1
    assert "s-b" in (shown := look_text(out, "note.language == 'de'", "", 5))
    assert "1 of 4 records" in shown
    opened = stream.open_stream(out / "shards", where="note.language in ['de', 'fr']")
    assert [key for batch in opened for key in batch.keys] == ["s-b"]
    with pytest.raises(InputError, match="is a word, and sorts nothing"):
        look_text(out, "", "note.language", 5)


def test_a_language_that_there_is_not_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,text\n1,a")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    for wanted, told in ((["en", "dee"], "is never 'dee'"), (">= 2", "is a text")):
        made = recipe(tmp_path, {"s": source}, [{"clean.rules": {"note.language": wanted}}])
        with pytest.raises(RecipeError, match=told):
            make_plan(parse_recipe(made), tmp_path)


def test_without_the_package_the_recipe_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "NETWORK", replace(network.NETWORK, module="no_such_module"))
    with pytest.raises(MissingPackageError, match=r"modalmill\[language\]"):
        network.NETWORK.check("clean.rules")
    write(tmp_path / "t.csv", "id,text\n1,a")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    made = recipe(tmp_path, {"s": source}, [{"clean.rules": {"note.language": "en"}}])
    with pytest.raises(RecipeError, match=r"clean.rules: text.language needs the package"):
        make_plan(parse_recipe(made), tmp_path)


def test_the_catalogue_says_that_it_is_one_of_many_words() -> None:
    assert re.search(r"^  language +176 words +likeliest", signals_text("text"), re.MULTILINE)


def test_measure_shows_the_commonest_languages(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv", "id,text\n1,What is this?\n2,Was liegt auf dem Tisch?\n3,Who is he?\n"
    )
    write(
        tmp_path / "r.yaml",
        "name: t\ndata: .\nmeasure: [text.language]\nsources:\n  s: {type: csv, path: t.csv, id:"
        ' "{id}", text: {note: text}}\n',
    )
    commands.here("measure", tmp_path / "r.yaml", "--out", tmp_path / "out")
    assert "note.language: 3 known: en 66.7%, de 33.3%" in measured_text(tmp_path / "out")
