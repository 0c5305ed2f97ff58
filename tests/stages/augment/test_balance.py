"""Classes that are filled up by copies have as many records as was asked for."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modalmill.schemas.contents import Contents
from modalmill.schemas.json_value import JsonValue
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.augment.balance import Balance
from modalmill.stages.base import Addressed, make
from tiny import jpeg, write


def records(counts: Sequence[int], split: str | None = "train") -> list[Record]:
    """So many records of each class, which is called by its number."""
    return [
        Record(
            f"{split}-{label}-{number}",
            "g",
            Origin("s", "f"),
            {"image": Part("image", uri="a.jpg")},
            {"label": f"class {label}"},
            split,
        )
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def balanced(stage: Balance, given_records: Sequence[Record]) -> dict[str, list[Record]]:
    """What comes out of each record, by its key."""
    fitted = stage.fitted(rows_to_table([Row(record) for record in given_records]))
    return {
        record.key: [row.record for row in fitted.process(record, 7, stage.address)]
        for record in given_records
    }


def classes(made: Sequence[Record]) -> Counter[JsonValue]:
    return Counter(str(record.targets["label"]) for record in made)


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    to=st.sampled_from(["max", "median", 1, 7, 30]),
)
def test_every_class_has_as_many_as_was_asked_for_or_what_it_had(
    counts: list[int], to: Any
) -> None:
    here, elsewhere = records(counts), records(counts, "test")
    made = balanced(Balance(target="label", to=to), [*here, *elsewhere])
    level = {"max": max(counts), "median": round(statistics.median(counts))}.get(to, to)
    found = classes([copy for record in here for copy in made[record.key]])
    assert found == {f"class {label}": max(own, level) for label, own in enumerate(counts)}
    assert all(made[record.key] == [record] for record in elsewhere)
    for label in range(len(counts)):
        often = {len(made[r.key]) for r in here if r.targets["label"] == f"class {label}"}
        assert max(often) - min(often) <= 1
    keys = [copy.key for own in made.values() for copy in own]
    assert len(set(keys)) == len(keys)
    assert balanced(Balance(target="label", to=to), [*elsewhere, *here[::-1]]) == made


def test_copies_are_changed_by_another_stage_each_in_its_own_way() -> None:
    given_records = records([1, 5])
    stage = Balance(target="label", by={"augment.affine": {"degrees": [-5, 5]}})
    original, *copies = balanced(stage, given_records)["train-0-0"]
    assert original == given_records[0]
    assert [copy.key for copy in copies] == [f"train-0-0-balance{number}" for number in range(1, 5)]
    steps = [copy.parts["image"].steps for copy in copies]
    assert len({str(step) for step in steps}) == 4
    assert {step.op for (step,) in steps} == {"affine"}


def test_records_without_a_class_are_left_alone_and_1_is_1_0() -> None:
    given_records = [
        Record(f"k{number}", "g", Origin("s", "f"), {}, {"label": value}, "train")
        for number, value in enumerate([1, 1.0, 2, None, ["a"]])
    ]
    made = balanced(Balance(target="label"), given_records)
    assert [len(made[f"k{number}"]) for number in range(5)] == [1, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"target": "label", "to": 0}, "to: wanted max, median, or a number from 1 on, found 0"),
        ({"target": "label", "to": "most"}, "max"),
        ({"target": "label", "by": {"augment.afine": {}}}, "did you mean 'augment.affine'"),
        ({"target": "label", "by": {"augment.flip": {}}}, "takes 'copies', found augment.flip"),
        ({"target": "label", "by": {"clean.image": {}}}, "found clean.image"),
        ({"target": "label", "by": {"augment.blur": {"sigma": 1}}}, "sigma"),
        (
            {"target": "label", "by": {"augment.blur": {}, "augment.jpeg": {}}},
            "one address with its options",
        ),
        ({}, "target"),
    ],
)
def test_what_cannot_be_meant_is_told(options: dict[str, Any], line: str) -> None:
    _, problems = make("augment.balance", Addressed, options, "here")
    assert line in " ".join(problems)


def test_a_run_counts_what_it_copied_of_each_class(
    tmp_path: Path, run_recipe: Callable[..., Any]
) -> None:
    rows = ["id,label,text"]
    for number in range(24):
        # of twelve cats six are rejected before they could count
        label = "cat" if number < 12 else "dog" if number < 22 else "emu"
        text = "how many?" if number == 23 else "" if number < 6 else "seen"
        rows.append(f"{number},{label},{text or 'x'}")
        write(tmp_path / "raw" / f"{number}.jpg", jpeg(seed=number))
    write(tmp_path / "raw" / "t.csv", "\n".join(rows))
    recipe = {
        "name": "a",
        "data": str(tmp_path / "raw"),
        "sources": {
            "s": {
                "type": "csv",
                "path": "t.csv",
                "id": "{id}",
                "text": {"text": "text"},
                "media": {"image": {"path": "{id}.jpg"}},
                "targets": ["label"],
            }
        },
        "stages": [
            {"clean.rules": {"text.chars": ">= 2"}},
            {"align.split": {"shares": {"train": 1.0}}},
            {"augment.balance": {"target": "label", "by": {"augment.crop": None}}},
        ],
    }
    result = run_recipe(recipe)
    labels = pq.read_table(tmp_path / "out" / "manifest")["targets"].to_pylist()
    found = Counter(labels)
    assert found == {'{"label":"cat"}': 10, '{"label":"dog"}': 10, '{"label":"emu"}': 6}
    assert next(
        stage for stage in result.account.stages if stage.name == "augment.balance"
    ).notes == {
        "copies of label: cat": 4,
        "copies of label: emu": 4,
        "no copy: texts or targets tell of how many there are, which the change may make untrue": 1,
    }
    recipe["stages"][-1] = {"augment.balance": {"target": "lable"}}
    with pytest.raises(Exception, match="lable"):
        run_recipe(recipe)


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ({"augment.noise": None}, "by: changes nothing that records have: image .image."),
        ({"augment.text": {"parts": ["wrods"]}}, "by: parts: nothing before it gives a part"),
    ],
)
def test_a_change_that_changes_nothing_is_a_mistake(by: dict[str, Any], told: str) -> None:
    here = Contents(
        parts={"image": "image"}, targets={"label": "text"}, splits=frozenset({"train"})
    )
    assert any(re.search(told, line) for line in Balance(target="label", by=by).mistakes(here))
    with pytest.raises(ValueError, match="by: takes no 'copies'"):
        Balance(target="label", by={"augment.crop": {"copies": 3}})


def test_a_record_that_its_change_does_not_reach_is_told() -> None:
    some = [
        *records([3, 1]),
        replace(records([1])[0], key="bare", parts={}, targets={"label": "class 1"}),
    ]
    stage = Balance(target="label", to=4, by={"augment.crop": {"only_true": False}})
    fitted = stage.fitted(rows_to_table([Row(record) for record in some]))
    told = [row.note for row in fitted.process(some[-1], 7, stage.address)]
    assert told == ["no copy: nothing in it that augment.crop changes"]
