"""What a training section may say: names of articles, inputs that share an encoder, rates."""

from __future__ import annotations

import pytest
from modalmill.schemas.contents import Contents
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.methods.presets import METHODS
from modalmill.stages.train.methods.texts import methods_text
from modalmill.stages.train.model.model import FusionModel
from modalmill.stages.train.options import parse_options, with_method


@pytest.mark.parametrize("word", METHODS)
def test_every_name_of_an_article_is_a_setting_that_a_recipe_may_have(word: str) -> None:
    options, problems = parse_options(
        {"target": "y", "inputs": {"image": {}, "question": {}}, "method": word}
    )
    assert problems == []
    assert options is not None
    assert word in methods_text()


def test_what_a_recipe_says_goes_before_its_method() -> None:
    options, _ = parse_options(
        {
            "target": "y",
            "inputs": {"image": {}},
            "method": "self_attention",
            "fusion": "mean",
            "encoders": {"image": "cnn"},
        }
    )
    assert options is not None
    assert options.fusion == "mean"
    assert options.encoders["image"] == "cnn"
    assert options.encoders["text"] == "embedding"
    found, problems = parse_options(
        {"target": "y", "inputs": {"image": {}}, "method": "self_atention"}
    )
    assert found is None
    assert problems == [
        "train.method: no such method 'self_atention'; did you mean 'self_attention'?"
    ]


def test_what_augments_is_checked_with_the_recipe() -> None:
    section = {"target": "y", "inputs": {"image": {}}}
    _, problems = parse_options({**section, "augment": ["augment.cropp", "clean.text"]})
    assert problems == [
        "train.augment.0: no stage is called 'augment.cropp'; did you mean 'augment.crop'?",
        "train.augment.1: wanted an augmenting stage, found clean.text",
    ]
    _, problems = parse_options({**section, "augment": [{"augment.crop": {"area": [0.9, 0.1]}}]})
    assert len(problems) == 1
    assert problems[0].startswith("train.augment.0 (augment.crop)")
    options, problems = parse_options(
        {**section, "augment": [{"augment.text": {"parts": ["caption"]}}]}
    )
    assert problems == []
    assert options is not None
    lines = options.mistakes(Contents(parts={"image": "image"}, targets={"y": None}))
    assert any(line.startswith("train.augment: parts: ") for line in lines)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"class_weights": True}, "train.balance: classes come equally often, and class_weights"),
        ({"buckets": {"note": [2]}}, "train.balance: cannot be together with buckets"),
        ({"task": "regression"}, "train.balance: weighs a task whose answer is one class"),
    ],
)
def test_what_balance_cannot_be_beside(more: dict[str, object], told: str) -> None:
    section = {"target": "y", "inputs": {"note": {}}, "balance": True}
    assert parse_options(section)[1] == []
    _, problems = parse_options({**section, **more})
    assert any(line.startswith(told) for line in problems)


def test_two_parts_may_share_one_encoder() -> None:
    section = {
        "target": "y",
        "inputs": {"left": {"size": 32}, "right": {"size": 32, "same_as": "left"}},
        "fusion": "siamese",
        "width": 16,
    }
    options, problems = parse_options(section)
    assert problems == []
    assert options is not None
    made = FusionModel(Inputs(options, {"left": "image", "right": "image"}, {}, {}), 2)
    assert made.encoders["left"] is made.encoders["right"]
    one, _ = parse_options({**section, "inputs": {"left": {"size": 32}}})
    assert one is not None
    alone = FusionModel(Inputs(one, {"left": "image"}, {}, {}), 2)
    assert sum(p.numel() for p in made.encoders.parameters()) == sum(
        p.numel() for p in alone.encoders.parameters()
    )
    for inputs, told in (
        (
            {"left": {"same_as": "right"}, "right": {}},
            "train.inputs.left.same_as: wanted an input above this one, found 'right'",
        ),
        (
            {"left": {}, "right": {"size": 32, "same_as": "left"}},
            "train.inputs.right.same_as: right and left share an encoder, and have to have",
        ),
    ):
        _, problems = parse_options({**section, "inputs": inputs})
        assert len(problems) == 1
        assert problems[0].startswith(told)


def test_a_method_changes_what_it_names_and_nothing_else() -> None:
    section = {
        "target": "y",
        "inputs": {"image": {"encoder": "resnet18"}, "question": {"encoder": "gru"}},
        "encoders": {"audio": "spectrum_lstm"},
    }
    found = with_method(section, "mcnn")
    assert found["inputs"] == {"image": {"encoder": "resnet18"}, "question": {}}
    assert found["encoders"] == {"audio": "spectrum_lstm", "text": "text_cnn"}
    assert found["fusion"] == "concat"


def test_rates_that_cannot_be_meant_are_told() -> None:
    _, problems = parse_options({"target": "y", "inputs": {"image": {}}, "rates": {"head": -1}})
    assert len(problems) == 1
    assert "train.rates.head" in problems[0]
    _, problems = parse_options(
        {"target": "y", "inputs": {f"p{number}": {} for number in range(9)}}
    )
    assert problems == ["train.inputs: 9 inputs make 512 subsets to evaluate; wanted at most 8"]
