"""Objectives: what each asks of its targets, and what it makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.stages.train.model.objectives import fit_objective, load_objective
from modalmill.stages.train.options import InputOptions, TrainOptions
from taught import rows_of, text_recipe


def options(task: str) -> TrainOptions:
    return TrainOptions(task=task, target="y", inputs={"a": InputOptions()}, answers=10)  # type: ignore[arg-type]


def test_classes_are_those_of_the_training_split_and_unknown_ones_score_nothing() -> None:
    made = fit_objective(options("classification"), [{"y": "a"}, {"y": "b"}, {"y": "b"}, {}])
    assert made.outputs == 2
    encoded, weight = made.encode([{"y": "b"}, {"y": "new"}, {}])
    assert (encoded.tolist(), weight.tolist()) == ([0, 0, 0], [1.0, 0.0, 0.0])
    score, counted = made.score(
        torch.tensor([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), [{"y": "b"}, {"y": "new"}, {}]
    )
    assert (score.tolist(), counted.tolist()) == ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0])
    assert made.prior().argmax() == 0


def test_vqa_learns_soft_scores_and_answers_in_the_commonest_spelling() -> None:
    targets = [{"y": ["two"] * 6 + ["2"] * 2 + ["many"] * 2}, {"y": ["red"] * 10}]
    made = fit_objective(options("vqa"), targets)
    encoded, _ = made.encode(targets)
    scores = dict(zip(made.state()["classes"], encoded[0].tolist(), strict=True))
    assert scores["two"] == 1.0
    assert scores["many"] == pytest.approx(0.6)
    assert made.score(encoded * 10 - 5, targets)[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("classification", [{"y": "a"}, {"y": "b"}]),
        ("vqa", [{"y": ["a", "a", "b"]}]),
        ("regression", [{"y": 1.0}, {"y": 3.0}]),
    ],
)
def test_an_objective_is_made_again_from_its_state(
    task: str, targets: list[dict[str, object]]
) -> None:
    made = fit_objective(options(task), targets)
    again = load_objective(task, made.state())
    for one, other in itertools.pairwise([made, again]):
        assert torch.equal(one.prior(), other.prior())
        assert all(
            torch.equal(a, b)
            for a, b in zip(one.encode(targets), other.encode(targets), strict=True)
        )


def test_regression_scores_in_the_unit_of_the_target() -> None:
    made = fit_objective(options("regression"), [{"y": 10.0}, {"y": 20.0}])
    score, _ = made.score(torch.zeros(2, 1), [{"y": 10.0}, {"y": 20.0}])
    assert score.tolist() == [-5.0, -5.0]
    assert made.answers(torch.zeros(1, 1), 1) == [[("15", None)]]


def test_a_target_that_nobody_has_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match="there are label, size"):
        fit_objective(options("classification"), [{"label": "x", "size": 1}])


Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("task", "label", "told"),
    [
        (
            "classification",
            lambda number: ["a", "b"],
            r"classification wants one word or number a record, and 'label' is a list; task:"
            r" multilabel or vqa takes it \(in 46 of 46 records\)",
        ),
        ("regression", lambda number: [1, 2], "regression wants a target read by 'numbers'"),
        (
            "vqa",
            lambda number: "yes",
            "vqa wants the list of the annotators' answers, and 'label' is a text; task:"
            " classification takes it",
        ),
    ],
)
def test_a_target_of_another_kind_is_refused_with_the_right_word(
    tmp_path: Path, run_recipe: Run, task: str, label: Any, told: str
) -> None:
    with pytest.raises((InputError, RecipeError), match=told):
        run_recipe(text_recipe(tmp_path, rows_of(label), task=task))


@pytest.mark.parametrize(("option", "value"), [("class_weights", True), ("focal", 2.0)])
def test_weights_of_classes_are_for_tasks_whose_answer_is_one_class(
    tmp_path: Path, run_recipe: Run, option: str, value: Any
) -> None:
    with pytest.raises(RecipeError, match=f"train.{option}: weighs a task whose answer is one"):
        run_recipe(
            text_recipe(tmp_path, rows_of(lambda _: 1), task="regression", **{option: value})
        )


def test_a_task_that_there_is_not_is_told_with_the_nearest(tmp_path: Path, run_recipe: Run) -> None:
    with pytest.raises(RecipeError, match="no such task 'multi_label'; did you mean 'multilabel'"):
        run_recipe(text_recipe(tmp_path, rows_of(lambda _: ["a"]), task="multi_label"))
