"""Vectors of words that were made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import commands
import numpy as np
import pytest
from modalmill.schemas.errors import DamageError, InputError
from modalmill.schemas.features import FeatureCache
from modalmill.stages.base import Extractor, make
from modalmill.stages.features._word_table import read_word_table
from modalmill.stages.features.word_vectors import WordVectors
from tiny import recipe, write

GLOVE = "the 1 0 0\ncat 0 1 0\ndo 0 0 1\nn't 0 0 -3\n. . 9 9 9\n"


@pytest.fixture
def glove(tmp_path: Path) -> str:
    return str(write(tmp_path / "glove.txt", GLOVE))


def test_a_text_is_the_mean_of_its_words(glove: str) -> None:
    stage = WordVectors(path=glove)
    assert stage.dims() == 3
    np.testing.assert_allclose(stage.extract("The cat, the CAT, the bird!"), [0.6, 0.4, 0])
    assert stage.tell("The cat, the CAT, the bird!") == (6, 1)
    assert stage.remark({"words": 6, "unknown": 1}).startswith("1 of 6 words have no vector in")
    np.testing.assert_allclose(stage.extract("don\u2019t"), [0, 0, -1])


def test_a_word_may_hold_blanks(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", GLOVE)
    table = read_word_table(path, path.stat().st_size, 0)
    assert ". ." in table
    assert "." not in table
    np.testing.assert_array_equal(table.vector(". ."), [9, 9, 9])


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "\ufeff" + GLOVE)
    assert read_word_table(path, path.stat().st_size, 0).rank("the") == 1


def test_frequent_words_count_less_by_sif(glove: str) -> None:
    # of five words by Zipf: p = 1 / (rank * (ln 5 + gamma))
    chance = 1 / (np.array([1, 2]) * (np.log(5) + np.euler_gamma))
    the, cat = 0.01 / (0.01 + chance)
    found = WordVectors(path=glove, weighting="sif", a=0.01).extract("the cat")
    np.testing.assert_allclose(found, [the / (the + cat), cat / (the + cat), 0], rtol=1e-5)
    assert found[1] > found[0]


def test_a_file_with_its_sizes_in_the_first_line_is_the_same(tmp_path: Path, glove: str) -> None:
    other = write(tmp_path / "fast.vec", "5 3\n" + GLOVE)
    text = "the cat do"
    np.testing.assert_array_equal(
        WordVectors(path=str(other), weighting="sif").extract(text),
        WordVectors(path=glove, weighting="sif").extract(text),
    )


def test_its_contents_and_not_its_name_are_what_it_is(tmp_path: Path, glove: str) -> None:
    same = write(tmp_path / "same.txt", GLOVE)
    other = write(tmp_path / "other.txt", GLOVE.replace("9 9 9", "9 9 8"))
    assert WordVectors(path=str(same)).identity() == WordVectors(path=glove).identity()
    assert WordVectors(path=str(other)).identity() != WordVectors(path=glove).identity()


def test_unknown_words_are_told_and_texts_of_them_alone_have_no_vector(
    tmp_path: Path, glove: str
) -> None:
    with pytest.raises(DamageError, match="none of 2 words has a vector"):
        WordVectors(path=glove).extract("wug blicket")
    write(tmp_path / "t.csv", "id,text\n1,the cat\n2,wug blicket\n3,the wug\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"text": "text"}}
    features = {"text": {"features.word_vectors": {"path": glove}}}
    path = write(
        tmp_path / "r.json",
        json.dumps(recipe(tmp_path, {"s": source}, features=features, shard=None)),
    )
    done = commands.here("run", path, "--out", tmp_path / "out", "--engine", "serial")
    assert done.returncode == 0
    assert "text: 1 of 4 words have no vector in" in done.stderr
    assert "1 of 3 records have no features.word_vectors of text (1 no_known_word)" in done.stderr
    assert len(FeatureCache(tmp_path / "out" / "features", "text").vectors) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no word vectors"),
        ("id,text\n1,hello\n", "holds no word vectors: .* found 'id,text'"),
        ("the zero one\n", "holds no word vectors"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_of_something_else_is_told_with_the_recipe(
    tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "x.txt"
    if content is not None:
        write(path, content)
    made, problems = make("features.word_vectors", Extractor, {"path": str(path)}, "features.t")
    assert made is None
    with pytest.raises(AssertionError, match=told):
        raise AssertionError("\n".join(problems))


def test_a_broken_line_is_told_with_its_place(tmp_path: Path) -> None:
    short = write(tmp_path / "short.txt", "the 1 2 3\ncat 1 2\n")
    with pytest.raises(InputError, match=r"short.txt, line 2: wanted a word and 3 numbers"):
        WordVectors(path=str(short)).extract("the")
    cut = write(tmp_path / "cut.txt", "400000 3\n" + GLOVE)
    with pytest.raises(InputError, match="says that it has 400,000 words, and has 5"):
        WordVectors(path=str(cut)).extract("the")
    wide = write(tmp_path / "wide.txt", "5 99\n" + GLOVE)
    with pytest.raises(ValueError, match="says that its vectors have 99 numbers, and the first"):
        WordVectors(path=str(wide))
    odd = write(tmp_path / "odd.txt", "the 1 2 3\ncat 1 x 3\n")
    with pytest.raises(InputError, match=r"word 2 \('cat'\): wanted 3 numbers, found"):
        WordVectors(path=str(odd)).extract("cat")
