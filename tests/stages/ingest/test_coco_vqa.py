"""COCO VQA: questions, annotations and images joined, both sides accounted for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row
from modalmill.stages.base import Merged
from modalmill.stages.ingest.coco_vqa import CocoVqa
from tiny import jpeg, png, vqa_corpus, write


def read(root: Path, options: dict[str, Any]) -> tuple[list[Row], Counter[str]]:
    options = {name: value for name, value in options.items() if name != "type"}
    tally: Counter[str] = Counter()
    rows, merged = [], 0
    for item in CocoVqa(**options).read(root, "vqa", tally, lambda item: None):
        if isinstance(item, Merged):
            merged += item.count
        elif isinstance(item, Row):
            rows.append(item)
    assert sum(tally.values()) == len(rows) + merged
    return rows, tally


def test_a_whole_corpus_becomes_one_record_a_question(tmp_path: Path) -> None:
    rows, tally = read(tmp_path, vqa_corpus(tmp_path, images=3, per_image=2))
    assert tally == {"questions": 6, "annotations": 6, "images": 3}
    first = rows[0].record
    assert (first.key, first.group) == ("vqa-1000", "vqa-1")
    assert first.parts["question"].text == "What is number 0 of 1?"
    assert first.parts["image"].uri == "images/COCO_tiny2014_000000000001.jpg"
    assert first.targets == {
        "answers": ["two"] * 10,
        "answer": "two",
        "answer_type": "other",
        "question_type": "what",
    }


def test_a_test_split_without_annotations_has_no_targets(tmp_path: Path) -> None:
    options = vqa_corpus(tmp_path)
    del options["annotations"]
    rows, _ = read(tmp_path, options)
    assert len(rows) == 12
    assert all(row.record.targets == {} for row in rows)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)))
def test_both_sides_of_every_join_are_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, asked: set[int], annotated: set[int], shown: set[int]
) -> None:
    root = tmp_path_factory.mktemp("vqa")
    questions = [
        {"image_id": number, "question": "Why?", "question_id": number} for number in asked | {99}
    ]
    annotations = [
        {"question_id": number, "image_id": number, "answers": [{"answer": "so"}]}
        for number in annotated | {99}
    ]
    write(root / "q.json", json.dumps({"questions": questions}))
    write(root / "a.json", json.dumps({"annotations": annotations}))
    (root / "images").mkdir()
    for number in shown:
        write(root / "images" / f"{number:012d}.png", png())
    rows, _ = read(root, {"questions": "q.json", "annotations": "a.json", "images": "images"})
    kinds = Counter("+".join(sorted(row.record.parts)) for row in rows if row.fault is None)
    assert kinds["image+question"] == len(asked & shown)
    assert kinds["image"] == len(shown - asked)
    assert sum(row.fault is not None and row.fault.rule == "no_question" for row in rows) == len(
        annotated - asked
    )
    unmatched = Counter(fault.rule for row in rows for fault in row.unmatched)
    wanted = {
        "no_image_file": len((asked | {99}) - shown),
        "no_annotation": len(asked - annotated),
        "no_question": len(shown - asked),
    }
    assert unmatched == Counter({rule: count for rule, count in wanted.items() if count})
    assert (
        sum(
            bool(row.record.targets)
            for row in rows
            if row.fault is None and "question" in row.record.parts
        )
        == len(asked & annotated) + 1
    )


def test_odd_names_and_twice_the_same_id_are_rejects(tmp_path: Path) -> None:
    options = vqa_corpus(tmp_path, images=1, per_image=1)
    write(tmp_path / "images" / "holiday.jpg", jpeg())
    write(tmp_path / "images" / "000000000001.png", png())
    rows, _ = read(tmp_path, options)
    assert sorted(row.fault.rule for row in rows if row.fault) == ["duplicate_id", "name_mismatch"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("q.json", '{"questions": [{"image_id": 1,', "the JSON is broken"),
        ("q.json", '{"annotations": []}', "wanted a JSON object with a list 'questions'"),
        ("a.json", "hello", "the JSON is broken"),
    ],
)
def test_a_broken_or_mistaken_json_is_one_clear_error(
    tmp_path: Path, name: str, data: str, words: str
) -> None:
    options = vqa_corpus(tmp_path)
    write(tmp_path / name, data)
    with pytest.raises(InputError, match=words):
        read(tmp_path, options)


def test_a_missing_file_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check 'data' and 'path'"):
        read(tmp_path, {"questions": "q.json", "images": "images"})
