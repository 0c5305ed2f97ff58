"""``modalmill similarity``: the cosine of two parts of each record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import commands
import numpy as np
import pyarrow.parquet as pq
import pytest
from modalmill.pipeline.run import Result
from modalmill.pipeline.similarity import find_similarity
from modalmill.schemas.errors import InputError
from tiny import recipe, write

TEXTS = [
    ("the cat sat", "the cat sat"),
    ("cat", "dog"),
    ("cat dog", "dog"),
    ("only one", ""),
]


SOURCE = {
    "type": "jsonl",
    "path": "t.jsonl",
    "id": "{id}",
    "text": {"one": "one", "two": "two"},
}


@pytest.fixture
def out(tmp_path: Path, run_recipe: Callable[..., Result]) -> Path:
    """A run with the cached vectors of two texts of each record."""
    rows = [{"id": f"{n}", "one": one, "two": two} for n, (one, two) in enumerate(TEXTS)]
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    words = {"features.text": {"size": 4096, "ngrams": 1}}
    features = {"one": words, "two": words}
    return run_recipe(recipe(tmp_path, {"s": SOURCE}, features=features, shard=None)).out


def test_equal_texts_are_at_1_and_texts_without_a_common_word_at_0(out: Path) -> None:
    done = commands.here("similarity", out, "--parts", "one,two", "--top", "1")
    assert done.returncode == 0
    assert "one and two of 3 records" in done.stdout
    assert "note: 1 of 4 records lack one of them, or both" in done.stdout
    assert "their cosine says nothing unless" in " ".join(done.stdout.split())
    table = pq.read_table(out / "similarity.parquet").to_pydict()
    found = dict(zip(table["key"], table["similarity"], strict=True))
    assert len(found) == 3
    # one: df of the words 1, cat 3, dog 1 of 4; two: dog 2, of 3
    assert found["s-1"] == pytest.approx(0, abs=1e-3)
    assert found["s-0"] > 0.95
    cat, dog = np.log(5 / 4) + 1, np.log(5 / 2) + 1
    assert found["s-2"] == pytest.approx(dog / np.hypot(cat, dog), abs=1e-3)
    assert "s-1" in done.stdout.partition("least alike")[2]


def test_programs_get_all_of_it(out: Path) -> None:
    found = json.loads(commands.here("similarity", out, "--parts", "one,two", "--json").stdout)
    assert found["records"] == 3
    assert found["least"][0]["key"] == "s-1"
    assert list(found["quantiles"]) == ["5%", "25%", "50%", "75%", "95%"]


def test_a_vector_of_zeros_has_no_cosine_and_is_told(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """Of a text of one letter no word is left."""
    rows = [
        {"id": str(n), "one": one, "two": two}
        for n, (one, two) in enumerate([("the cat", "the cat"), ("a dog", "."), ("!", "a dog")])
    ]
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    words = {"features.text": {"size": 64, "ngrams": 1}}
    made = recipe(tmp_path, {"s": SOURCE}, features={"one": words, "two": words}, shard=None)
    out = run_recipe(made).out
    done = commands.here("similarity", out, "--parts", "one,two")
    told = " ".join(done.stdout.split())
    assert "one and two of 1 records" in told
    assert "note: 2 of 3 records have a vector of zeros" in told
    table = pq.read_table(out / "similarity.parquet").to_pydict()
    assert table["key"] == ["s-0"]
    assert table["similarity"] == pytest.approx([1.0])
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows[1:]))
    run_recipe(made)
    with pytest.raises(InputError, match="of each of 2 records the vector of one or of two is"):
        find_similarity(out, ["one", "two"])


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["one"], "wanted two parts, for example image,caption, found 'one'"),
        (["one", "one"], "wanted two parts"),
        (["one", "image"], "no cached features of 'image' here"),
    ],
)
def test_what_has_no_cosine_is_told(out: Path, parts: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        find_similarity(out, parts)


def test_vectors_of_two_lengths_are_no_pair(
    tmp_path: Path, out: Path, run_recipe: Callable[..., Result]
) -> None:
    features = {
        "one": {"features.text": {"size": 8}},
        "two": {"features.text": {"size": 9}},
    }
    run_recipe(recipe(tmp_path, {"s": SOURCE}, features=features, shard=None))
    with pytest.raises(InputError, match="one has vectors of 8 numbers and two of 9"):
        find_similarity(out, ["one", "two"])


def test_sequences_are_compared_by_the_mean_of_each_and_that_is_said(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    rows = [{"id": f"{n}", "one": one, "two": two} for n, (one, two) in enumerate(TEXTS)]
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write(tmp_path / "w.txt", "the 1 0 0\ncat 0 2 0\nsat 1 1 1\ndog 0 1 -2\n")
    found = {}
    for pool in ("mean", "none"):
        words = {"features.word_vectors": {"path": str(tmp_path / "w.txt"), "pool": pool}}
        value = recipe(tmp_path, {"s": SOURCE}, features={"one": words, "two": words}, shard=None)
        found[pool] = find_similarity(run_recipe(value, tmp_path / pool).out, ["one", "two"])
    assert found["none"].keys == found["mean"].keys == ["s-0", "s-1", "s-2"]
    # of the records of the mean, which float16 has rounded
    np.testing.assert_allclose(found["none"].cosine_N, found["mean"].cosine_N, atol=1e-3)
    told = "features of one and two are sequences: compared by the mean of each"
    assert (told in found["none"].notes, told in found["mean"].notes) == (True, False)
