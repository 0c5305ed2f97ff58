"""How parts are read: classes of length, encoders that are shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.options import InputOptions, TrainOptions
from modalmill.stages.train.use.predict import Predictor
from tiny import csv_source, png, recipe, write


def test_a_length_class_of_a_sound_needs_tokens_that_do_not_depend_on_it() -> None:
    options = TrainOptions(
        target="y", inputs={"voice": InputOptions(encoder="spectrum_cnn")}, buckets={"voice": [1.0]}
    )
    inputs = Inputs(options, {"voice": "audio"}, {}, {})
    with pytest.raises(
        InputError,
        match="tokens of spectrum_cnn divide the whole of a sound, however long; take spectrum_lstm"
        " or frames",
    ):
        inputs.bounds("voice")


def test_two_pictures_share_one_encoder_from_the_recipe_to_the_answers(tmp_path: Path) -> None:
    lines = ["left,right,same,split"]
    for number in range(24):
        write(tmp_path / f"{number}.png", png(16, 16, seed=number % 3))
        split = ("train", "train", "val", "test")[number % 4]
        lines.append(f"{number}.png,{(number * 5) % 24}.png,{'yn'[number % 2]},{split}")
    write(tmp_path / "t.csv", "\n".join(lines))
    media = {"left": {"path": "{left}"}, "right": {"path": "{right}"}}
    source = {
        "type": "csv",
        "path": "t.csv",
        "media": media,
        "targets": ["same"],
        "split": "{split}",
    }
    inputs = {"left": {"size": 16}, "right": {"size": 16, "same_as": "left"}}
    more = {"target": "same", "inputs": inputs, "fusion": "siamese", "epochs": 1, "device": "cpu"}
    value = recipe(tmp_path, {"s": source}, train={**more, "width": 8, "hidden": 8})
    parsed = parse_recipe(value)
    result = run(make_plan(parsed, tmp_path), tmp_path / "out", "serial")
    assert result.training is not None
    assert set(result.training["subsets"]) >= {"left", "right", "left+right"}


def test_a_training_on_balanced_classes_sees_each_as_often(tmp_path: Path) -> None:
    """The common class is nine in ten; a model that knows nothing else says it, unless balanced."""
    lines = ["id,words,label,split"]
    for number in range(120):
        label = "rare" if number % 10 == 0 else "often"
        lines.append(f"{number},nothing,{label},{'val' if number % 4 == 3 else 'train'}")
    write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    source = {**csv_source("words", targets=["label"]), "split": "{split}"}
    train = {
        "target": "label",
        "inputs": {"words": {}},
        "epochs": 3,
        "batch_size": 16,
        "device": "cpu",
        "width": 8,
        "hidden": 8,
        "learning_rate": 0.05,
        "checks": False,
        "dropout": 0.0,
        "modality_dropout": 0.0,
    }
    shares = {}
    for balance in (False, True):
        value = recipe(tmp_path, {"t": source}, shard={}, train={**train, "balance": balance})
        run(make_plan(parse_recipe(value), tmp_path), tmp_path / f"out{balance}", "serial")
        answer = Predictor(tmp_path / f"out{balance}" / "training" / "best.pt").one(
            {"text": "nothing"}
        )
        shares[balance] = {one["answer"]: one["probability"] for one in answer["answers"]}
    assert shares[False]["rare"] < 0.25
    assert 0.35 < shares[True]["rare"] < 0.65
