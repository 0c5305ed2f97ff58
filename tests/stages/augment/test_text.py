"""Copies of texts in other words: what may change, what never does, and what is told."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.augment._wording import (
    Wording,
    can_vary,
    keys_beside,
    mistyped,
    read_synonyms,
    varied,
)
from modalmill.stages.augment.text import Text
from tiny import recipe, write

Run = Callable[..., Result]
WORDS = st.lists(st.sampled_from(["not", "Table,", "surf", "a", "aa", "12", "Café!"]), max_size=12)
SEEDS = st.integers(0, 2**32 - 1)


def edits(one: str, other: str) -> int:
    """Insertions, deletions, substitutions and transpositions between two words (optimal string
    alignment), case aside.
    """
    one, other = one.lower(), other.lower()
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


@given(st.text("abcdeSTZüé'-1", min_size=2, max_size=12), SEEDS)
def test_a_mistyped_word_is_one_edit_away_and_keeps_its_first_letter(word: str, seed: int) -> None:
    letters = [letter for letter in word if letter.isalpha()]
    if len({letter.lower() for letter in letters}) < 2:
        return
    found = mistyped(word, "qwertz", np.random.default_rng(seed))
    assert edits(word, found) == 1
    if len(letters) > 2:
        assert next(filter(str.isalpha, found)) == letters[0]


@pytest.mark.parametrize(
    ("letter", "keyboard", "beside"),
    [
        ("g", "qwerty", "tyfhvb"),
        ("a", "qwerty", "qwsz"),
        ("p", "qwerty", "ol"),
        ("y", "qwertz", "asx"),
        ("q", "azerty", "azsw"),
        ("ж", "qwerty", ""),
    ],
)
def test_keys_touch_those_that_they_touch(letter: str, keyboard: Any, beside: str) -> None:
    assert sorted(keys_beside(letter, keyboard)) == sorted(beside)


@given(WORDS, SEEDS, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_copy_differs_where_it_can_and_is_never_empty(
    words: list[str], seed: int, dropout: float, typos: float
) -> None:
    how = Wording(dropout=dropout, typos=typos, keep=frozenset({"not"}))
    found = varied(words, how, np.random.default_rng(seed))
    assert len(found) == len(words)
    assert (found != words) == can_vary(words, how)
    assert not words or any(word is not None for word in found)
    assert all(
        after == "not" for before, after in zip(words, found, strict=True) if before == "not"
    )
    assert found == varied(words, how, np.random.default_rng(seed))


def test_each_thing_happens_about_as_often_as_asked() -> None:
    words = [f"word{letter}" for letter in "abcdefghij"] * 400
    how = Wording(dropout=0.1, typos=0.2, replaced=0.3, synonyms={"worda": ("car", "auto")})
    found = varied(words, how, np.random.default_rng(3))
    pairs = list(zip(words, found, strict=True))
    dropped = sum(after is None for _, after in pairs)
    replaced = Counter(after for before, after in pairs if after in ("car", "auto"))
    mistakes = sum(
        after not in (None, before, "car", "auto") for before, after in pairs if before != "worda"
    )
    # within four standard deviations
    assert dropped / 4000 == pytest.approx(0.1, abs=0.02)
    assert replaced.total() / 400 == pytest.approx(0.9 * 0.3, abs=0.09)
    assert mistakes / 3600 == pytest.approx(0.9 * 0.2, abs=0.026)
    assert min(replaced["car"], replaced["auto"]) > 25


def test_synonyms_keep_marks_and_capitals(tmp_path: Path) -> None:
    write(tmp_path / "s.txt", "# mine\ncar, automobile\n\nhotel\tinn\n")
    synonyms = read_synonyms(tmp_path / "s.txt")
    assert synonyms == {
        "car": ("automobile",),
        "automobile": ("car",),
        "hotel": ("inn",),
        "inn": ("hotel",),
    }
    how = Wording(replaced=1.0, synonyms=synonyms)
    found = varied(["“Car,", "CAR", "hotel?", "cars"], how, np.random.default_rng(0))
    assert found == ["“Automobile,", "AUTOMOBILE", "inn?", "cars"]


def record(text: str, split: str | None = "train", **more: Any) -> Record:
    return Record(
        "k", "k", Origin("s", "f"), {"note": Part("text", text=text, **more)}, split=split
    )


def copies(stage: Text, of: Record, seed: int = 0) -> list[str | None]:
    return [row.record.parts["note"].text for row in stage.process(of, seed, "augment.text")[1:]]


def test_a_copy_is_the_same_for_seed_record_and_number() -> None:
    of = record("a man rides a wave on top of a surfboard")
    three = copies(Text(copies=3, typos=0.1), of)
    assert len(set(three)) == 3
    assert copies(Text(copies=1, typos=0.1), of) == three[:1]
    again = pickle.loads(pickle.dumps(Text(copies=3, typos=0.1)))
    assert copies(again, of) == three
    assert copies(Text(copies=3, typos=0.1), of, seed=1) != three


def test_copies_are_made_of_training_records_alone() -> None:
    assert copies(Text(), record("one two three", split="test")) == []
    assert len(copies(Text(), record("one two three", split=None))) == 1


def test_white_space_stays_where_words_do() -> None:
    text = "one\ttwo\n\nthree  four"
    (copy,) = copies(Text(dropout=0.0, typos=1.0), record(text))
    assert copy is not None
    assert [piece for piece in copy if piece.isspace()] == [p for p in text if p.isspace()]


@given(SEEDS)
def test_words_with_times_keep_them_and_the_text_is_theirs(seed: int) -> None:
    words = "lay blue by two not now".split()  # noqa: SIM905
    cues = tuple(Cue(place, place + 1, word) for place, word in enumerate(words))
    of = record(" ".join(words), cues=cues)
    stage = Text(dropout=0.4)
    copy = stage.process(of, seed, "a")[1].record.parts["note"]
    assert [cue.text for cue in copy.cues] == (copy.text or "").split()
    assert all(cue.text == words[int(cue.start_s)] for cue in copy.cues)
    assert len(copy.cues) < 6
    assert stage.remark(of) == ""


def test_cues_of_several_words_have_the_words_of_the_text() -> None:
    cues = (Cue(0, 1, "lay blue by"), Cue(1, 2, "two now"), Cue(2, 3, "please"))
    of = record("lay blue\nby two now please", cues=cues)
    for seed in range(20):
        row = Text(dropout=0.3, typos=0.5).process(of, seed, "a")[1]
        copy = row.record.parts["note"]
        timed = [word for cue in copy.cues for word in cue.text.split()]
        assert timed == (copy.text or "").split()
        assert all(cue.end_s == cue.start_s + 1 for cue in copy.cues)


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (record("alone"), "no word of its texts can be changed"),
        (record("not never"), "no word of its texts can be changed"),
        (record("a b", cues=(Cue(0, 1, "c"),)), "its words with times are not those of its text"),
    ],
)
def test_where_there_is_no_copy_that_is_told(of: Record, told: str) -> None:
    assert copies(Text(), of) == []
    assert told in Text().remark(of)


def test_a_run_makes_the_copies_and_a_changed_file_of_synonyms_others(
    tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "words.txt", "car, automobile")
    write(tmp_path / "t.csv", "id,text,split\n1,a red car,train\n2,a red car,test\n3,ship,train\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    source["split"] = "{split}"
    options = {"dropout": 0, "synonyms": "words.txt"}
    made = recipe(tmp_path, {"s": source}, [{"augment.text": options}])
    result = run_recipe(made)
    assert result.account.stages[0].notes == {"no copy: no word of its texts can be changed": 1}

    def texts() -> list[str | None]:
        records = table_to_records(read_manifest(tmp_path / "out"))
        return sorted(each.parts["note"].text or "" for each in records)

    assert texts() == ["a red automobile", "a red car", "a red car", "ship"]
    write(tmp_path / "words.txt", "car, auto")
    run_recipe(made)
    assert texts()[0] == "a red auto"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dropout": 1.5}, "a probability"),
        ({"dropout": 0}, "nothing would be changed"),
        ({"copies": 0}, "copies: wanted 1 or more"),
        ({"keyboard": "dvorak"}, "keyboard"),
        ({"synonyms": "none.txt"}, "cannot be read"),
        ({"synonyms": "one.txt"}, "one.txt, line 2: wanted words that may stand for each other"),
        ({"synonyms": "empty.txt"}, "no synonyms here"),
        ({"parts": ["nota"]}, "did you mean 'note'"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    options: dict[str, Any],
    told: str,
    tmp_path: Path,
    run_recipe: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one.txt", "# a\nalone, Alone\n")
    write(tmp_path / "empty.txt", "\n")
    write(tmp_path / "t.csv", "id,text,split\n1,a red car,train\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    source["split"] = "{split}"
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe(tmp_path, {"s": source}, [{"augment.text": options}]))
