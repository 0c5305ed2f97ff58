"""What is counted in a text: against DataTrove's own reckoning, and by planted texts."""

from __future__ import annotations

import pytest
from datatrove.pipeline.filters import gopher_repetition_filter as theirs
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages.contract import broken_signal
from modalmill.stages.modalities.text.signals.characters import characters
from modalmill.stages.modalities.text.signals.duplicate_lines import duplicate_lines
from modalmill.stages.modalities.text.signals.duplicate_ngrams import duplicate_ngrams
from modalmill.stages.modalities.text.signals.line_shapes import line_shapes
from modalmill.stages.modalities.text.signals.links import links
from modalmill.stages.modalities.text.signals.repetition import repetition
from modalmill.stages.modalities.text.signals.top_ngrams import top_ngrams
from modalmill.stages.modalities.text.signals.word_shapes import word_shapes
from modalmill.stages.signal import signals_of

# few words in few phrases, so that long runs come again
PHRASES = st.lists(st.sampled_from(["a", "be", "sea", "dull", "every"]), min_size=1, max_size=7)
TEXTS = st.lists(PHRASES, min_size=1, max_size=3).flatmap(
    lambda phrases: st.lists(st.sampled_from(phrases), min_size=1, max_size=12).map(
        lambda chosen: " ".join(word for phrase in chosen for word in phrase)
    )
)
LINES = st.lists(st.sampled_from(["one", "two words", "and three words"]), min_size=1, max_size=12)


@given(TEXTS, st.sampled_from(range(5, 11)))
def test_runs_of_words_that_come_again_are_those_of_datatrove(text: str, length: int) -> None:
    wanted = theirs.find_all_duplicate(text.split(), length) / len(text)
    assert duplicate_ngrams(text)[f"duplicate_{length}gram"] == pytest.approx(wanted)


@given(TEXTS, st.sampled_from((2, 3, 4)))
def test_the_commonest_run_is_that_of_datatrove_where_it_comes_again(
    text: str, length: int
) -> None:
    runs = theirs.get_n_grams(text.split(), length)
    wanted = min(1.0, theirs.find_top_duplicate(runs) / len(text)) if runs else None
    if len(set(runs)) == len(runs):
        wanted = 0.0 if runs else None
    assert top_ngrams(text).get(f"top_{length}gram") == pytest.approx(wanted)


@given(LINES, st.sampled_from(["\n", "\n\n"]))
def test_lines_and_paragraphs_that_come_again_are_those_of_datatrove(
    lines: list[str], between: str
) -> None:
    text = between.join(lines)
    found, (count, chars) = duplicate_lines(text), theirs.find_duplicates(lines)
    assert found is not None
    assert found["duplicate_lines"] == pytest.approx(count / len(lines))
    assert found["duplicate_line_chars"] == pytest.approx(chars / len(text))
    if between == "\n\n":
        assert found["duplicate_paragraphs"] == pytest.approx(count / len(lines))
        assert found["duplicate_paragraph_chars"] == pytest.approx(chars / len(text))
    else:
        assert found["duplicate_paragraphs"] == 0


def test_a_caption_whose_words_stand_there_once_repeats_nothing() -> None:
    assert top_ngrams("a man rides") == {"top_2gram": 0.0, "top_3gram": 0.0}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # 11 runs of ten characters, two of them twice
        ("abcdefghij" * 2, {"character_repetition": 2 / 11, "longest_run": 1}),
        ("soooo  good!!!!!", {"character_repetition": 0.0, "longest_run": 5}),
        ("so", {"longest_run": 1}),
        (" \n ", {}),
        # of ten words the first run and the last are one; of ten characters 11 of 20 come twice
        ("a b c d e f g h i j " * 2, {"character_repetition": 8 / 31, "word_repetition": 2 / 11}),
    ],
)
def test_repetition_of_characters_and_words(text: str, wanted: dict[str, float]) -> None:
    found = repetition(text)
    assert {name: found.get(name) for name in wanted} == pytest.approx(wanted)
    assert found.keys() >= wanted.keys()
    assert "word_repetition" in found or len(text.split()) < 10


def test_characters_are_counted_by_their_category_in_unicode() -> None:
    found = characters("Ab1 ٣é, €\u0301\x07")
    # A b é and the accent; 1 and the Arabic three; comma and euro; of nine
    assert found == pytest.approx(
        {"letter_share": 4 / 9, "digit_share": 2 / 9, "symbol_share": 2 / 9}
    )


def test_what_words_are_like() -> None:
    found = word_shapes("“The CAT” sat with 7 incomprehensibilities-of-it - I said!")
    assert found["mean_word_length"] == pytest.approx((4 + 4 + 3 + 4 + 1 + 27 + 1 + 1 + 5) / 9)
    assert found["longest_word"] == 27
    assert found["alphabetic_words"] == pytest.approx(7 / 9)
    assert found["long_words"] == pytest.approx(1 / 9)
    assert found["capital_words"] == pytest.approx(1 / 9)
    assert found["basic_words"] == 2
    # the, with, I
    assert found["stop_word_share"] == pytest.approx(3 / 9)


def test_what_lines_are_like() -> None:
    found = line_shapes(
        "• one ...\n\n- two…\nA line that is longer than thirty characters.\n#a #b!"
    )
    assert found["bullet_lines"] == found["ellipsis_lines"] == found["ended_lines"] == 0.5
    assert found["short_lines"] == 0.75
    # behind the ellipsis, the full stop, the exclamation mark
    assert found["sentences"] == 3
    assert found["hashes_per_word"] == found["ellipses_per_word"] == pytest.approx(2 / 15)


def test_addresses_of_the_web_end_before_the_marks_of_the_sentence() -> None:
    text = "See (https://a.org/b?c=d), www.e.com. Not e.com {Lorem Ipsum"
    found = links(text)
    assert (found["urls"], found["curly_brackets"], found["lorem_ipsum"]) == (2, 1, 1)
    chars = len("".join(text.split()))
    wanted = (len("https://a.org/b?c=d") + len("www.e.com")) / chars
    assert found["url_share"] == pytest.approx(wanted)


@pytest.mark.parametrize("name", sorted(signals_of("text").keys() - {"language"}))
@given(text=st.text(max_size=60) | TEXTS | st.text("a \n.-#…{", max_size=30))
def test_numbers_of_any_text_lie_in_their_ranges(name: str, text: str) -> None:
    signal = signals_of("text")[name]
    for word, number in signal.numbers(text).items():
        assert signal.gives[word].low <= number <= signal.gives[word].high, word


@pytest.mark.parametrize("name", sorted(signals_of("text")))
def test_signals_of_texts_keep_the_contract(name: str) -> None:
    assert broken_signal(signals_of("text")[name]) == []
