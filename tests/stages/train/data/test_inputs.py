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
from tiny import png, recipe, write


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
