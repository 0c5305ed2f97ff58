"""Training on targets, set sizes and texts as they come: told where it cannot be, right where it
can.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.stages.modalities.text.words import words
from modalmill.stages.train.loop.optimise import make_schedule
from modalmill.stages.train.loop.preflight import spelled_twice
from modalmill.stages.train.loop.prepare import default_batch_size
from modalmill.stages.train.metrics.vqa_accuracy import normalise
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.model.fusion.views import ViewsFusion
from modalmill.stages.train.model.objectives.regression import Regression
from modalmill.stages.train.options import TrainOptions
from modalmill.stages.train.use.predict import Predictor, prediction_text
from tiny import recipe, write

Run = Callable[..., Result]


def text_recipe(
    root: Path, rows: list[dict[str, Any]], kind: str = "targets", **train: Any
) -> dict[str, Any]:
    write(root / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    source = {
        "type": "jsonl",
        "path": "t.jsonl",
        "text": {"t": "text"},
        "split": "{split}",
        kind: ["label"],
    }
    small = {
        "target": "label",
        "inputs": {"t": {"encoder": "embedding", "length": 6}},
        "fusion": "concat",
        "epochs": 2,
        "width": 16,
        "hidden": 16,
    }
    return recipe(root, {"s": source}, train={**small, "device": "cpu", **train})


def rows_of(
    label: Callable[[int], Any],
    text: Callable[[int], str] = lambda number: f"word{number % 2}",
    count: int = 60,
) -> list[dict[str, Any]]:
    splits = ["train"] * 6 + ["val", "test"]
    return [
        {"text": text(number), "label": label(number), "split": splits[number % 8]}
        for number in range(count)
    ]


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


def test_numbers_are_shown_with_the_digits_that_matter_and_without_a_probability(
    tmp_path: Path, run_recipe: Run
) -> None:
    value = text_recipe(
        tmp_path,
        rows_of(lambda number: 1_600_000_000 + 1000 * (number % 2)),
        "numbers",
        task="regression",
    )
    run_recipe(value)
    found = Predictor(tmp_path / "out" / "training" / "best.pt").one({"text": "word1"})
    assert "probability" not in found["answers"][0]
    assert "%" not in prediction_text(found)
    assert 1_599_990_000 < float(found["answers"][0]["answer"]) < 1_600_010_000
    small = Regression("x", 0.0123, 0.0001).answers(torch.tensor([[1.0]]), 1)
    assert small[0][0] == ("0.0124", None)


@given(st.integers(0, 100_000))
def test_a_small_set_has_twenty_steps_an_epoch(records: int) -> None:
    size = default_batch_size(records)
    assert 2 <= size <= 64
    assert records < 40 or records // size >= 20


@pytest.mark.parametrize("steps", range(1, 40))
def test_any_number_of_steps_has_a_schedule(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    # made of plain values
    options = TrainOptions(target="x", inputs={"t": {}})  # type: ignore[dict-item]
    schedule = make_schedule(optimiser, options, steps)
    for _ in range(steps):
        optimiser.step()
        schedule.step()
    assert all(torch.isfinite(torch.tensor(schedule.get_last_lr())))


def test_nine_steps_are_trained(tmp_path: Path, run_recipe: Run) -> None:
    rows = [
        {"text": f"w{number}", "label": "ab"[number % 2], "split": "train"} for number in range(9)
    ]
    said = run_recipe(text_recipe(tmp_path, rows, epochs=3, batch_size=3))
    assert said.training is not None


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


def test_a_fitted_fusion_is_chosen_on_rows_that_it_was_not_fitted_to(
    tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.stages.train.loop import validation as validate

    fitted: list[set[str]] = []
    real = validate.fit_fusion

    def noting(model: Any, objective: Any, batches: Any, device: Any) -> None:
        kept = list(batches)
        fitted.append(
            {
                key
                for batch in kept
                for key, weight in zip(batch.keys, batch.weight_B.tolist(), strict=True)
                if weight
            }
        )
        real(model, objective, iter(kept), device)

    monkeypatch.setattr(validate, "fit_fusion", noting)
    rows = rows_of(lambda number: "ab"[number % 2], count=320)
    write(
        tmp_path / "t.jsonl",
        "".join(json.dumps(row | {"more": row["text"]}) + "\n" for row in rows),
    )
    value = text_recipe(tmp_path, [row | {"more": row["text"]} for row in rows], fusion="stacking")
    value["sources"]["s"]["text"] = {"t": "text", "u": "more"}
    value["train"]["inputs"]["u"] = {"encoder": "embedding", "length": 6}
    run_recipe(value)
    assert 10 < len(fitted[0]) < 30  # of 40 rows for validation


def test_a_part_without_a_word_gives_no_nan() -> None:
    fusion = ViewsFusion(2, 8, 0.0).eval()
    tokens = [torch.randn(3, 4, 8), torch.randn(3, 5, 8)]
    masks = [
        torch.zeros(3, 4, dtype=torch.bool),
        torch.tensor([[True] * 5, [False] * 5, [False] * 5]),
    ]
    fused, _ = fusion(tokens, masks, torch.ones(3, 2, dtype=torch.bool))
    assert torch.isfinite(fused).all()


def test_one_number_in_several_spellings_is_told() -> None:
    assert spelled_twice(["1", "1.0", "01", "2", "x", "1e5"]) == [["01", "1", "1.0"]]


def test_languages_without_spaces_are_learned(tmp_path: Path, run_recipe: Run) -> None:
    """Whether a sentence speaks of a dog or a cat, in Chinese: of one token a sentence nothing
    could be learned.
    """
    import random

    rng = random.Random(0)
    letters = [chr(0x4E00 + rng.randrange(3000)) for _ in range(40)]
    rows = []
    for number in range(240):
        filler = "".join(rng.choice(letters) for _ in range(6))
        rows.append(
            {
                "text": filler[:3] + "狗猫"[number % 2] + filler[3:],
                "label": ["dog", "cat"][number % 2],
                "split": "train" if number < 180 else "test",
            }
        )
    value = text_recipe(tmp_path, rows, epochs=30, learning_rate=0.01)
    value["train"]["inputs"]["t"]["length"] = 10
    report = run_recipe(value).training
    assert report is not None
    assert report["all"] > 0.95


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("图片中的狗", ["图", "片", "中", "的", "狗"]),
        ("iPhone手机", ["iphone", "手", "机"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("What's up, café?", ["what's", "up", ",", "café", "?"]),
        ("한국어 문장", ["한국어", "문장"]),
    ],
)
def test_words_of_every_script(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_english_is_cut_as_ever(text: str) -> None:
    import re

    assert words(text) == re.findall(r"[^\W_]+(?:'[^\W\d_]+)?|[^\w\s]|_", text.lower())


@pytest.mark.parametrize("word", ["ow's'at", "'ows'at", "'ow'sat"])
def test_the_one_word_that_begins_with_an_apostrophe(word: str) -> None:
    assert normalise(word) == "'ow's'at"
