"""What the recipe alone tells is told before any data is read: names of parts, targets, splits and
sources that nothing gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from modalmill.pipeline.plan import make_plan
from modalmill.schemas.errors import RecipeError
from modalmill.schemas.recipe import parse_recipe
from tiny import recipe

NOTES = {
    "type": "csv",
    "path": "notes.csv",
    "text": "words",
    "targets": ["kind"],
    "numbers": ["age"],
    "media": {"picture": {"path": "{id}.jpg"}},
}
CLIPS = {
    "type": "video_folder",
    "path": "clips",
    "targets": {"label": "{folder}"},
    "cues": {"said": "{stem}.srt"},
}


def mistakes(root: Path, stages: list[Any], **more: Any) -> list[str]:
    value = recipe(root, more.pop("sources", {"notes": NOTES, "clips": CLIPS}), stages, **more)
    try:
        make_plan(parse_recipe(value), root)
    except RecipeError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        (
            {"align.require": {"parts": ["pictrue"]}},
            "align.require.parts: nothing before it gives a part called 'pictrue'; did you mean"
            " 'picture'?",
        ),
        (
            {"align.require": {"targets": ["kin"]}},
            "align.require.targets: nothing before it gives a target called 'kin'; did you mean"
            " 'kind'?",
        ),
        (
            {"align.require": {"any_of": ["vidoe"]}},
            "align.require.any_of: nothing before it gives a part called 'vidoe'; did you mean"
            " 'video'?",
        ),
        (
            {"align.cut": {"by": "sad"}},
            "align.cut.by: nothing before it gives a part called 'sad'; did you mean 'said'?",
        ),
        (
            {"align.cut": {"by": "video"}},
            "align.cut.by: wanted a part of text, and 'video' is video",
        ),
        (
            {"align.join": {"sources": ["notes", "clisp"]}},
            "align.join.sources: no source is called 'clisp'; did you mean 'clips'?",
        ),
        (
            {"align.targets": {"name": "y", "first_of": ["lable"]}},
            "align.targets.first_of: nothing before it gives a target called 'lable'; did you"
            " mean 'label'?",
        ),
        (
            {"clean.text": {"parts": ["txt"]}},
            "clean.text.parts: nothing before it gives a part called 'txt'; did you mean 'text'?",
        ),
        (
            {"clean.fill": {"target": "kid"}},
            "clean.fill.target: nothing before it gives a target called 'kid'; did you mean"
            " 'kind'?",
        ),
        (
            {"clean.outliers": {"column": "agge"}},
            "clean.outliers.column: nothing before it gives a target called 'agge'; did you mean"
            " 'age'?",
        ),
        (
            {"clean.outliers": {"column": "kind"}},
            "clean.outliers.column: 'kind' is text; read it by 'numbers'",
        ),
        (
            {"clean.outliers": {"column": "pictur.sharpness"}},
            "clean.outliers.column: nothing before it gives a part called 'pictur'; did you mean"
            " 'picture'?",
        ),
        (
            {"clean.outliers": {"column": "picture.sharpness"}},
            "clean.outliers.column: the signals of 'picture' are not measured; add clean.image,"
            " which measures them",
        ),
    ],
)
def test_a_name_that_nothing_gives_is_a_mistake_with_the_nearest_right_one(
    tmp_path: Path, stage: dict[str, Any], line: str
) -> None:
    assert mistakes(tmp_path, [stage]) == [line]


def test_what_a_stage_adds_is_known_to_those_after_it_and_not_before(tmp_path: Path) -> None:
    adds = {"align.targets": {"name": "y", "first_of": ["kind", "label"]}}
    wants = {"align.require": {"targets": ["y"]}}
    assert mistakes(tmp_path, [adds, wants]) == []
    assert len(mistakes(tmp_path, [wants, adds])) == 1
    constant = {"clean.fill": {"target": "lang", "by": "constant", "value": "en"}}
    assert mistakes(tmp_path, [constant, {"align.require": {"targets": ["lang"]}}]) == []


def test_copies_before_the_split_are_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, ["align.split", "augment.flip"]) == []
    assert mistakes(tmp_path, ["augment.flip"]) == []
    assert mistakes(tmp_path, ["augment.flip", "align.split"]) == [
        "align.split.shares: the copies of augment.flip would go into every split; put it after"
        " align.split"
    ]
    assert mistakes(tmp_path, ["align.split", {"augment.noise": {"only_split": "tran"}}]) == [
        "augment.noise.only_split: nothing before it gives a split called 'tran'; did you mean"
        " 'train'?"
    ]


def test_training_asks_for_parts_targets_and_splits_that_there_are(tmp_path: Path) -> None:
    train = {
        "target": "knd",
        "inputs": {"pictures": {}, "text": {"encoder": "cnn"}, "audio": {"feature": True}},
        "train_split": "training",
    }
    assert mistakes(
        tmp_path,
        ["align.split"],
        train=train,
        features={"audio": "features.audio", "text": "features.audio"},
    ) == [
        "features.text: wanted a part of audio, and 'text' is text",
        "train.target: nothing before it gives a target called 'knd'; did you mean 'kind'?",
        "train.inputs.pictures: nothing before it gives a part called 'pictures'; did you mean"
        " 'picture'?",
        "train.inputs.text: wanted a part of image, and 'text' is text",
        "train.train_split: nothing before it gives a split called 'training'; did you mean"
        " 'train'?",
    ]
    regression = {"task": "regression", "target": "kind", "inputs": {"text": {}}}
    assert mistakes(tmp_path, [], train=regression) == [
        "train.target: regression wants a target read by 'numbers', and 'kind' is a text;"
        " task: classification takes it",
        "train.train_split: wants the split 'train', and records have no split; add the stage"
        " align.split",
    ]


def test_a_fusion_that_is_fitted_wants_the_split_that_it_is_fitted_to(tmp_path: Path) -> None:
    stages = [{"align.split": {"shares": {"train": 0.8, "test": 0.2}}}]
    for fusion in ("stacking", "late_weighted", {"weighted": {"grid": 4}}):
        train = {"target": "kind", "inputs": {"text": {}}, "fusion": fusion}
        assert mistakes(tmp_path, stages, train=train) == [
            "train.val_split: nothing before it gives a split called 'val'; known are: test, train"
        ]
    train["fusion"] = "weighted"
    assert mistakes(tmp_path, stages, train=train) == []


def test_splits_and_values_that_only_the_data_tell_are_not_guessed_at(tmp_path: Path) -> None:
    lines = {
        "type": "jsonl",
        "path": "l.jsonl",
        "text": "words",
        "targets": ["answers"],
        "split": "{fold}",
        "media": {"thing": {"path": "{file}"}},
    }
    train = {
        "task": "vqa",
        "target": "answers",
        "inputs": {"thing": {"encoder": "cnn"}},
        "train_split": "fold1",
        "val_split": "fold2",
    }
    assert mistakes(tmp_path, ["align.split"], sources={"lines": lines}, train=train) == []


def test_mistakes_of_every_kind_are_told_together(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path / "gone",
        [{"align.require": {"parts": ["pictrue"]}}],
        train={"target": "kind", "inputs": {"text": {}}, "fusion": "sum"},
    )
    assert [line.partition(":")[0] for line in lines] == [
        "train.fusion",
        "align.require.parts",
        "data",
    ]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"device": "cuda:97"}, "cannot be used here"),
        ({"precision": "fp16", "device": "cpu"}, "needs a GPU"),
    ],
)
def test_what_the_machine_cannot_do_is_told_before_the_work(
    tmp_path: Path, option: dict[str, str], words: str
) -> None:
    train = {"target": "kind", "inputs": {"text": {}}, **option}
    lines = mistakes(tmp_path, ["align.split"], train=train)
    assert len(lines) == 1
    assert words in lines[0]
