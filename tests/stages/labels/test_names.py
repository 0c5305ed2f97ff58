"""Names of files and spellings: what they say of labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.labels.file_names import name_tables
from modalmill.stages.labels.spellings import like_spellings, plain_form

GERMAN = {"W": "anger", "L": "boredom", "F": "happiness", "T": "sadness", "N": "neutral"}


def emotions(count: int = 100) -> tuple[list[str], list[str]]:
    """Names as Emo-DB has them (03a01Fa: speaker, text, emotion, version) and their labels."""
    random = np.random.default_rng(0)
    letters = [list(GERMAN)[number % 5] for number in range(count)]
    names = []
    for letter in letters:
        speaker, text = random.integers(3, 17), random.integers(1, 8)
        names.append(f"wav/{speaker:02d}a{text:02d}{letter}{random.choice(list('abc'))}.wav")
    return names, [GERMAN[letter] for letter in letters]


def test_a_code_in_the_name_is_shown_as_a_table() -> None:
    names, labels = emotions()
    (table,) = [table for table in name_tables(names, labels) if table.is_one_to_one]
    assert table.place == "letter 6 of the name"
    assert table.usual == GERMAN
    assert table.exceptions == ()
    assert not table.is_same
    assert not table.is_exchanged


def test_of_a_renaming_all_are_in_the_table_and_what_breaks_it_is_named() -> None:
    names, labels = emotions()
    exchanged = {"anger": "sadness", "sadness": "anger"}
    renamed = [exchanged.get(label, label) for label in labels]
    renamed[3] = "boredom"
    table = next(table for table in name_tables(names, renamed) if table.is_one_to_one)
    assert table.usual == {**GERMAN, "W": "sadness", "T": "anger"}
    assert table.exceptions == (3,)


def test_words_that_are_labels_and_stand_for_others_are_exchanged() -> None:
    words = ["cat", "dog", "owl"] * 20
    names = [f"{word}/{number}.jpg" for number, word in enumerate(words)]
    (same,) = name_tables(names, words)
    assert (same.is_same, same.is_exchanged, same.place) == (True, False, "the folder")
    exchanged = {"cat": "dog", "dog": "cat", "owl": "owl"}
    (table,) = name_tables(names, [exchanged[word] for word in words])
    assert (table.is_same, table.is_exchanged) == (False, True)
    assert table.usual == exchanged


def test_names_by_chance_and_numbers_of_records_say_nothing() -> None:
    random = np.random.default_rng(0)
    labels = [str(random.choice(["a", "b"])) for _ in range(200)]
    assert name_tables([f"x/{number:04d}.jpg" for number in range(200)], labels) == []
    drawn = [f"{random.choice(list('pqr'))}-{random.integers(9)}.wav" for _ in labels]
    assert name_tables(drawn, labels) == []
    assert name_tables([""] * 200, labels) == []


def test_a_few_records_that_break_the_rule_of_their_name_are_told() -> None:
    words = ["cat", "dog"] * 50
    labels = list(words)
    labels[4], labels[7] = "dog", "cat"
    (table,) = name_tables([f"{word}_{n}.jpg" for n, word in enumerate(words)], labels)
    assert (table.is_same, table.exceptions) == (True, (4, 7))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "Cat "),
        ("car_horn", "car horn"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff43\uff41\uff54", "cat"),
        ("cat", "cats"),
        ("fox", "foxes"),
        ("neutral", "neutrall"),
        ("neutral", "neurtal"),
        ("surprise", "surprize"),
    ],
)
def test_spellings_of_one_label(one: str, other: str) -> None:
    (found,) = like_spellings([one, other, "something else"])
    assert set(found.labels) == {one, other}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("class 1", "class 2"),
        ("category12", "category1"),
        ("moral", "amoral"),
        ("left", "lest"),
        ("-1", "1"),
        ("1.5", "15"),
        ("c", "c++"),
        ("+", "-"),
        ("male", "female"),
        ("bus", "bush"),
    ],
)
def test_labels_that_are_two(one: str, other: str) -> None:
    assert like_spellings([one, other]) == []


@given(
    words=st.lists(st.text("abcxyz\u00e9", min_size=1, max_size=5), min_size=1, max_size=4),
    between=st.lists(st.sampled_from([" ", "_", "-", ". ", "\u00a0", "\u2014"]), min_size=4),
)
def test_words_are_the_same_whatever_stands_between_them(
    words: list[str], between: list[str]
) -> None:
    joined = "".join(word + sign for word, sign in zip(words, between, strict=False))
    assert plain_form(joined.upper()) == "".join(words)
