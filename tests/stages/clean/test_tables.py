"""Filling of targets and outliers."""

from __future__ import annotations

from typing import Any

import pytest
from modalmill.schemas.columns import narrowed
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Origin, Record
from modalmill.stages.base import CorpusStage, Decision
from modalmill.stages.clean.fill import Fill
from modalmill.stages.clean.outliers import Outliers


def decide(
    stage: CorpusStage, targets: list[dict[str, Any]], splits: list[str | None] | None = None
) -> dict[str, Decision]:
    splits = splits or [None] * len(targets)
    rows = [
        Row(Record(f"k{place}", "g", Origin("s", "f"), targets=target, split=split))
        for place, (target, split) in enumerate(zip(targets, splits, strict=True))
    ]
    return stage.decide(narrowed(rows_to_table(rows), stage.reads()))


def test_the_most_frequent_value_is_that_of_the_training_split() -> None:
    targets = [{"y": "a"}, {"y": "b"}, {"y": "b"}, {}]
    found = decide(Fill(target="y", by="most_frequent"), targets, ["train", "val", "val", "val"])
    assert {key: dict(decision.targets) for key, decision in found.items()} == {"k3": {"y": "a"}}


def test_a_mean_a_constant_and_leaving_out() -> None:
    targets: list[dict[str, Any]] = [{"y": 1.0}, {"y": 3.0}, {}]
    assert decide(Fill(target="y", by="mean"), targets)["k2"].targets == {"y": 2.0}
    assert decide(Fill(target="y", by="constant", value="z"), targets)["k2"].targets == {"y": "z"}
    fault = decide(Fill(target="y"), targets)["k2"].fault
    assert fault is not None
    assert fault.fate == "missing"


def test_a_constant_needs_its_value() -> None:
    with pytest.raises(ValueError, match="goes with by: constant"):
        Fill(target="y", by="constant")


def test_a_planted_outlier_is_the_only_one() -> None:
    targets = [{"y": 10 + place % 5} for place in range(50)] + [{"y": 500}]
    assert list(decide(Outliers(column="y"), targets)) == ["k50"]
    assert decide(Outliers(column="y"), [{"y": 3}] * 10) == {}


def test_without_a_training_split_that_has_the_target_all_say_what_is_usual() -> None:
    records = [
        Record(
            f"k{n}",
            f"k{n}",
            Origin("s", "t.csv", n),
            targets={} if n == 3 else {"y": 4.0 + n},
            split=f"fold{n % 2}",
        )
        for n in range(4)
    ]
    decisions = Fill(target="y", by="mean").decide(rows_to_table(Row(one) for one in records))
    assert decisions["k3"].targets == {"y": 5.0}
    assert (
        decisions["k3"].note
        == "filled from what records of all splits have, for none in 'train' has it"
    )
