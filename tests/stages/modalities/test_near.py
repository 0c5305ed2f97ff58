"""Near texts: every near pair is united and no other, and what is depends on the texts alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.stages.modalities.text.near import (
    PART,
    Shingles,
    jaccard,
    near_texts,
)
from slow import closure

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


@settings(max_examples=300, deadline=None)
@given(
    st.lists(few, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 9), st.sampled_from("abz")), max_size=12),
    st.integers(1, 4),
    st.sampled_from([0.5, 0.6, 2 / 3, 0.75, 0.8, 0.9, 1.0]),
)
def test_texts_are_united_as_the_slow_search_unites_them(
    texts: list[str], edits: list[tuple[int, int, str]], shingle: int, similarity: float
) -> None:
    """With copies of which a word was changed."""
    for number, place, word in edits:
        if number < len(texts):
            words = texts[number].split()
            texts.append(" ".join([*words[:place], word, *words[place + 1 :]]))
    wanted = closure(
        len(texts), lambda one, other: share(texts[one], texts[other], shingle) >= similarity
    )
    assert near_texts(texts, similarity, shingle).first().tolist() == wanted


@pytest.mark.parametrize(
    ("runs", "differ", "similarity"), [(27, 3, 0.8), (19, 1, 0.9), (18, 6, 0.5)]
)
def test_planted_pairs_that_are_just_near_enough_are_all_found_and_no_others(
    runs: int, differ: int, similarity: float
) -> None:
    texts = planted(3000, runs, differ)
    assert jaccard(texts[0], texts[1]) == similarity
    first = near_texts(texts, similarity).first()
    assert (first == np.arange(len(texts)) // 2 * 2).all()
    assert (near_texts(texts, similarity + 0.001).first() == np.arange(len(texts))).all()


def test_independent_texts_and_texts_without_words_stay_alone() -> None:
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS[:300], 12)) for _ in range(5000)]
    texts += ["", PART, ""]
    assert (near_texts(texts).first() == np.arange(len(texts))).all()


def test_parts_are_compared_with_parts_of_the_same_place() -> None:
    one, other = "a cat sat on the mat", "the dog ran over the road"
    assert jaccard(one + PART + other, other + PART + one) == 0
    assert jaccard(one + PART + other, one + PART + other) == 1


def test_a_text_of_fewer_words_is_one_shingle() -> None:
    assert near_texts(["a cat", "a cat", "cat a", "cat"]).first().tolist() == [0, 0, 2, 3]


def test_texts_without_spaces_are_compared_by_their_characters() -> None:
    text = "图片中的狗在草地上追着一只红色的球跑得很快而猫坐在旁边看着它们两个直到天黑"
    assert near_texts([text, text[:-1], text[::-1]]).first().tolist() == [0, 0, 2]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of pairs of every comparison."""
    pairs: list[int] = []
    for name in ("jaccard", "jaccard_with"):
        whole = getattr(Shingles, name)

        def counted(self: Shingles, one: Any, other: Any, whole: Any = whole) -> Any:
            pairs.append(len(other))
            return whole(self, one, other)

        monkeypatch.setattr(Shingles, name, counted)
    return pairs


def test_five_thousand_texts_around_one_are_each_compared_with_it(compared: list[int]) -> None:
    """They are near to the one in the middle, and many of them not to each other."""
    random = np.random.default_rng(2)
    middle = list(random.choice(WORDS, 29))
    texts = []
    for number, place in enumerate(random.integers(3, 26, 5000).tolist()):
        texts.append(" ".join([*middle[:place], f"x{number}", *middle[place + 1 :]]))
    texts.insert(2500, " ".join(middle))
    assert share(texts[0], texts[1], 3) < 0.8
    assert not near_texts(texts).first().any()
    assert sum(compared) < 2 * len(texts)


def test_texts_that_follow_one_template_are_not_compared(compared: list[int]) -> None:
    template = "dear {} thank you for your order {} of this week which has left our house and will"
    template += " be with you at {} in the course of the coming days yours the shop of many things"
    texts = [template.format(f"n{i}", f"o{i}", f"a{i}") for i in range(5000)]
    assert 0.6 < share(texts[0], texts[1], 3) < 0.8
    assert (near_texts(texts).first() == np.arange(len(texts))).all()
    assert not sum(compared)


def test_what_is_united_depends_on_neither_order_nor_process() -> None:
    texts = planted(300, 27, 3, seed=3)
    order = np.random.default_rng(4).permutation(len(texts))
    first = near_texts(texts).first()
    moved = near_texts([texts[number] for number in order]).first()
    groups = {frozenset(np.flatnonzero(first == root).tolist()) for root in first}
    assert groups == {frozenset(order[moved == root].tolist()) for root in moved}
    program = (
        "from modalmill.stages.modalities.text.near import near_texts\n"
        f"print(near_texts({texts!r}).first().tolist())"
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
