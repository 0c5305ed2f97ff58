"""Presets keep what DataTrove's filters of the same sources keep, and say by which number."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    c4_filters,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import read_rejects
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.record import Cue, Origin, Part, Record
from modalmill.stages.clean._presets import content_lines, preset_rules
from modalmill.stages.clean.text import Text
from tiny import recipe, write

Run = Callable[..., Result]
WORDS = [first + second for first in ("ba", "rodo", "kemi", "stu") for second in
         ("n", "lotu", "ri", "masey", "p", "xenad", "tt", "ow", "que", "lder")]  # fmt: skip
COMMON = ["the", "of", "and", "to", "with", "that"]


@pytest.fixture
def _words_by_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words as white space parts them, sentences as their marks do, for both sides."""
    for module in (gopher_quality_filter, gopher_repetition_filter):
        monkeypatch.setattr(module, "split_into_words", lambda text, _: text.split())
    monkeypatch.setattr(
        c4_filters,
        "split_into_sentences",
        lambda line, _: [each for each in re.split(r"(?<=[.!?])\s+", line) if each],
    )


def page(seed: int) -> str:
    """A page with some of the faults that the filters look for."""
    draw = random.Random(seed)
    words = draw.sample(WORDS, draw.choice([3, 15, 40, 40])) + draw.choice([[], COMMON, COMMON])
    faults = ["a#", "well...", "12", "1-2", "e" * 1001, "{x}", "privacy policy", "Javascript"]
    rare = draw.choice([0, 0, 0.02, 0.15])
    lines = []
    for _ in range(draw.randint(2, 10)):
        # one kind in a line: of two, the order of the filters would decide
        fault = draw.choice(faults)
        line = [
            fault if draw.random() < rare else draw.choice(words)
            for _ in range(draw.randint(1, 18))
        ]
        # DataTrove takes a stop word with a mark on it for another word
        line = [draw.choice(words[:3]), *line, draw.choice(words[:3])]
        sentence = draw.choice([" ", ". "]).join((" ".join(line), draw.choice(WORDS)))
        lines.append(
            draw.choice(["-", "•", "", "", ""]) + sentence + draw.choice([".", ".", "!", "", "..."])
        )
        if draw.random() < 0.1:
            lines.append(draw.choice(lines))
    return draw.choice(["\n", "\n", "\n\n"]).join(lines)


def keeps(stage: Text, text: str) -> bool:
    return stage.fault(as_record(text)) is None


def as_record(text: str, **more: Any) -> Record:
    return Record("k", "k", Origin("s", "f"), {"note": Part("text", text=text, **more)})


@pytest.mark.usefixtures("_words_by_space")
def test_gopher_keeps_the_pages_that_datatrove_keeps() -> None:
    theirs, stage = (GopherQualityFilter(), GopherRepetitionFilter()), Text(preset="gopher")
    kept: Counter[bool] = Counter()
    for seed in range(250):
        # blank lines count for DataTrove where bullets are concerned
        text = page(seed).replace("\n\n", "\n")
        wanted = all(each.filter(Document(text=text, id="k")) is True for each in theirs)
        assert keeps(stage, text) is wanted, seed
        kept[wanted] += 1
    assert min(kept[True], kept[False]) >= 40


@pytest.mark.usefixtures("_words_by_space")
def test_c4_keeps_the_pages_and_the_lines_that_datatrove_keeps() -> None:
    theirs, stage = C4QualityFilter(), Text(preset="c4")
    kept: Counter[bool] = Counter()
    for seed in range(250):
        text = page(seed)
        document = Document(text=text, id="k")
        wanted = theirs.filter(document) is True
        assert keeps(stage, text) is wanted, seed
        if wanted:
            assert stage.clean(text) == document.text, seed
        kept[wanted] += 1
    assert min(kept[True], kept[False]) >= 40


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a cat on a mat", True),
        ("two words", False),
        ("a b c", False),  # five characters
        ("a b cd", True),
        (" ".join(["word"] * 256), True),
        (" ".join(["word"] * 257), False),
    ],
)
def test_captions_have_the_lengths_of_conceptual_12m_and_datacomp(text: str, kept: bool) -> None:
    assert keeps(Text(preset="caption"), text) is kept


def test_lines_that_are_no_sentences_go() -> None:
    lines = [
        "Home | About | Contact",
        "The cat sat on the mat.[12]",
        "Read more...",
        "Too short.",
        "Please enable JavaScript to see this page.",
        "We use cookies on this page.",
        "“It was so,” she said.[citation needed]",
    ]
    assert content_lines("\n".join(lines)) == "The cat sat on the mat.\n“It was so,” she said."


def test_texts_with_times_keep_their_lines() -> None:
    record = as_record("well then", cues=(Cue(0, 1, "well"), Cue(1, 2, "then")))
    assert Text(preset="c4").apply(record).parts["note"].text == "well then"


def test_what_is_refused_is_told_with_its_number_and_a_stream_can_ask_for_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    draw = random.Random(7)
    sentences = [" ".join(draw.sample(WORDS + COMMON, 14)) + "." for _ in range(8)]
    pages = {
        "good": "\n".join(["Menu", *sentences]),
        "again": "\n".join([*sentences, *sentences[:6]]),
        "short": sentences[0],
    }
    frame = pandas.DataFrame({"id": list(pages), "page": list(pages.values())})
    write(tmp_path / "t.csv", frame.to_csv(index=False))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"body": "page"}}
    stages = [{"clean.text": {"preset": "page", "spaces": False}}]
    result = run_recipe(recipe(tmp_path, {"s": source}, stages, tolerance=1.0))
    out, count = tmp_path / "out", result.account.stages[0]
    assert count.reasons == {"gopher_duplicate_lines": 1, "c4_sentences": 1}
    assert count.notes == {"texts that lost lines which are no sentences": 1}
    (record,) = table_to_records(read_manifest(out))
    assert record.parts["body"].text == "\n".join(sentences)
    assert record.signals["body.sentences"] == 8
    messages = {row["rule"]: row["message"] for row in read_rejects(out)}
    again = "body: 0.428571 is above gopher.duplicate_lines 0.3"
    assert messages["gopher_duplicate_lines"] == again
    table = pandas.read_parquet(out / "signals.parquet").set_index("key")
    assert table.loc["s-again", "duplicate_lines"] == pytest.approx(6 / 14)
    verdicts = table[["clean.text.gopher.duplicate_lines", "clean.text.c4.sentences"]]
    assert verdicts.loc["s-again"].tolist() == [False, True]
    assert verdicts.loc["s-short"].tolist() == [True, False]
    assert verdicts.loc["s-good"].tolist() == [True, True]


def test_a_preset_that_there_is_not_is_a_mistake(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "t.csv", "id,text\n1,a")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "text": {"note": "text"}}
    with pytest.raises(RecipeError, match=r"preset.*'pages'"):
        run_recipe(recipe(tmp_path, {"s": source}, [{"clean.text": {"preset": "pages"}}]))


def test_the_limits_of_gopher_are_those_of_datatrove() -> None:
    repetition, quality = GopherRepetitionFilter(), GopherQualityFilter()
    limits = {rule.reads: (rule.low, rule.high) for rule in preset_rules("gopher")}
    wanted = {f"top_{length}gram": share for length, share in repetition.top_n_grams}
    wanted |= {f"duplicate_{length}gram": share for length, share in repetition.dup_n_grams}
    wanted |= {
        "duplicate_lines": repetition.dup_line_frac,
        "duplicate_paragraphs": repetition.dup_para_frac,
        "duplicate_line_chars": repetition.dup_line_char_frac,
        "duplicate_paragraph_chars": repetition.dup_para_char_frac,
        "hashes_per_word": quality.max_symbol_word_ratio,
        "ellipses_per_word": quality.max_symbol_word_ratio,
        "bullet_lines": quality.max_bullet_lines_ratio,
        "ellipsis_lines": quality.max_ellipsis_lines_ratio,
    }
    assert {name: limits[name][1] for name in wanted} == wanted
    others = {name: limits[name] for name in limits.keys() - wanted.keys()}
    assert others == {
        "words": (quality.min_doc_words, quality.max_doc_words),
        "mean_word_length": (quality.min_avg_word_length, quality.max_avg_word_length),
        # called the most words without a letter there, and compared as the least with one
        "alphabetic_words": (quality.max_non_alpha_words_ratio, math.inf),
        "basic_words": (quality.min_stop_words, math.inf),
    }
