"""Other tasks beside the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modalmill.pipeline.run import Result
from modalmill.stages.train.model import checkpoint
from taught import rows_of, text_recipe

Run = Callable[..., Result]


def test_several_other_tasks_are_learned_beside_the_first(tmp_path: Path, run_recipe: Run) -> None:
    rows = [
        row | {"other": "xyz"[number % 3], "third": "pq"[number % 2]}
        for number, row in enumerate(rows_of(lambda number: "ab"[number % 2]))
    ]
    value = text_recipe(
        tmp_path,
        rows,
        losses=[{"multitask": {"target": "other"}}, {"multitask": {"target": "third"}}],
    )
    value["sources"]["s"]["targets"] = ["label", "other", "third"]
    run_recipe(value)
    assert sorted(
        dict(checkpoint.load(tmp_path / "out" / "training" / "best.pt").losses.items())
    ) == ["multitask", "multitask_2"]
