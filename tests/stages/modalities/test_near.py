"""Near texts: what is united is near, nearly nothing near is missed, and it depends on the texts
alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.modalities.text.near import (
    PART,
    Shingles,
    bands_and_rows,
    expected_recall,
    jaccard,
    near_texts,
)

WORDS = np.array([f"w{number}" for number in range(30_000)])
few = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)


def shingled(text: str, shingle: int) -> set[tuple[object, ...]]:
    """The set itself, of tuples."""
    found: set[tuple[object, ...]] = set()
    for place, part in enumerate(text.split(PART)):
        words = part.split()
        runs = range(max(1, len(words) - shingle + 1)) if words else ()
        found |= {(place, *words[start : start + shingle]) for start in runs}
    return found


def share(one: str, other: str, shingle: int) -> float:
    first, second = shingled(one, shingle), shingled(other, shingle)
    return len(first & second) / max(1, len(first | second))


def planted(count: int, runs: int, differ: int, seed: int = 0) -> list[str]:
    """Pairs of texts of so many runs of three words, the last of which differ."""
    random = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        words = list(random.choice(WORDS, runs + 2))
        changed = [f"x{number}n{place}" for place in range(differ)]
        texts += [" ".join(words), " ".join(words[: len(words) - differ] + changed)]
    return texts


@given(few, few, st.integers(1, 4))
def test_jaccard_is_the_share_of_common_shingles(one: str, other: str, shingle: int) -> None:
    assert jaccard(one, other, shingle) == share(one, other, shingle)
    assert jaccard(one + PART + other, one, shingle) == share(one + PART + other, one, shingle)


@given(st.lists(few, min_size=2, max_size=9), st.integers(1, 4))
def test_many_at_once_are_as_one_by_one(texts: list[str], shingle: int) -> None:
    sets = Shingles(texts, shingle)
    numbers = np.arange(len(texts))
    for one, text in enumerate(texts):
        wanted = [share(text, other, shingle) for other in texts]
        assert sets.jaccard(np.full(len(texts), one), numbers).tolist() == wanted
        if sets.sizes[one]:
            assert sets.jaccard_with(one, numbers).tolist() == wanted


@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_are_chosen_for_the_recall_that_is_wanted(similarity: float) -> None:
    bands, rows = bands_and_rows(similarity)
    assert bands * rows <= 256
    assert expected_recall(similarity, bands, rows) >= 0.99
    if bands > 1:
        assert expected_recall(similarity, bands - 1, rows) < 0.99


@pytest.mark.parametrize(
    ("runs", "differ", "similarity", "least"), [(27, 3, 0.8, 0.98), (19, 1, 0.9, 0.999)]
)
def test_planted_pairs_are_found_and_no_others(
    runs: int, differ: int, similarity: float, least: float
) -> None:
    texts = planted(3000, runs, differ)
    assert jaccard(texts[0], texts[1]) == similarity
    first = near_texts(texts)
    assert (first[1::2] == first[::2]).mean() >= least
    # no two pairs have a word in common but by chance
    assert (first[::2] == np.arange(0, len(texts), 2)).all()


def test_independent_texts_and_texts_without_words_stay_alone() -> None:
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS[:300], 12)) for _ in range(5000)]
    texts += ["", PART, ""]
    assert (near_texts(texts) == np.arange(len(texts))).all()


def test_parts_are_compared_with_parts_of_the_same_place() -> None:
    one, other = "a cat sat on the mat", "the dog ran over the road"
    assert jaccard(one + PART + other, other + PART + one) == 0
    assert jaccard(one + PART + other, one + PART + other) == 1


def test_a_text_of_fewer_words_is_one_shingle() -> None:
    assert near_texts(["a cat", "a cat", "cat a", "cat"]).tolist() == [0, 0, 2, 3]


def test_texts_without_spaces_are_compared_by_their_characters() -> None:
    text = "图片中的狗在草地上追着一只红色的球跑得很快而猫坐在旁边看着它们两个直到天黑"
    assert near_texts([text, text[:-1], text[::-1]]).tolist() == [0, 0, 2]


def test_five_thousand_texts_around_one_are_one_set_in_no_time() -> None:
    """They are near to the one in the middle, and many of them not to each other."""
    random = np.random.default_rng(2)
    middle = list(random.choice(WORDS, 29))
    texts = []
    for number, place in enumerate(random.integers(3, 26, 5000).tolist()):
        texts.append(" ".join([*middle[:place], f"x{number}", *middle[place + 1 :]]))
    texts.insert(2500, " ".join(middle))
    began = time.process_time()
    assert not near_texts(texts).any()
    assert time.process_time() - began < 30, "comparing each with each takes minutes"


def test_what_is_united_depends_on_neither_order_nor_process() -> None:
    texts = planted(300, 27, 3, seed=3)
    order = np.random.default_rng(4).permutation(len(texts))
    first = near_texts(texts)
    moved = near_texts([texts[number] for number in order])
    groups = {frozenset(np.flatnonzero(first == root).tolist()) for root in first}
    assert groups == {frozenset(order[moved == root].tolist()) for root in moved}
    program = (
        "from modalmill.stages.modalities.text.near import near_texts\n"
        f"print(near_texts({texts!r}).tolist())"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(first.tolist())
