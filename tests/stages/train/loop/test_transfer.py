"""A model begins with what another has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.model.encoders import InputPart
from modalmill.stages.train.model.encoders.resnet import ResNet18
from modalmill.stages.train.options import InputOptions, TrainOptions, parse_options
from tiny import csv_source, recipe, write
from trainings import OPTIONS, trained, weights


def test_words_and_classes_are_taken_over_by_name(tmp_path: Path) -> None:
    """The other model met other words in another order, and another class: each vector goes to its
    word, each output to its class.
    """

    def corpus(name: str, texts: list[str]) -> Path:
        root = tmp_path / name
        lines = ["id,note,answer,split"] + [
            f"{row},{texts[row % len(texts)]},{texts[row % len(texts)][-1]},train"
            for row in range(40)
        ]
        write(root / "t.csv", "\n".join(lines))
        source = csv_source("note", targets=["answer"], split="{split}")
        run(
            make_plan(parse_recipe(recipe(root, {"t": source}, shard={})), root),
            root / "out",
            "serial",
        )
        return root / "out" / "shards"

    options: dict[str, Any] = {
        **OPTIONS,
        "inputs": {"note": {"length": 3}},
        "epochs": 1,
        "learning_rate": 1e-9,
        "weight_decay": 0.0,
    }
    train(
        TrainOptions(**options),
        corpus("a", ["the sun b", "the moon a", "sun c"]),
        tmp_path / "t1",
        1,
        lambda line: None,
    )
    again = corpus("b", ["a moon a", "moon b", "the stars d"])
    train(
        TrainOptions(**options, start=str(tmp_path / "t1" / "best.pt")),
        again,
        tmp_path / "t2",
        2,
        lambda line: None,
    )
    old, new = (checkpoint.load(tmp_path / name / "best.pt") for name in ("t1", "t2"))
    for words_of, tensor in (
        (lambda saved: saved.inputs.fitted["note"]["vocabulary"], "encoders.note.embedding.weight"),
        (
            lambda saved: {name: place for place, name in enumerate(saved.objective.classes)},
            "head.3.weight",
        ),
    ):
        one, other = words_of(old), words_of(new)
        assert set(one) != set(other)
        both = sorted(set(one) & set(other))
        assert len(both) >= 2
        assert [one[name] for name in both] != [other[name] for name in both]
        rows = (
            old.model.state_dict()[tensor][[one[name] for name in both]],
            new.model.state_dict()[tensor][[other[name] for name in both]],
        )
        assert torch.allclose(*rows, atol=1e-6)
    late = {**options, "fusion": "opinion_pool"}
    train(
        TrainOptions(**late),
        tmp_path / "a" / "out" / "shards",
        tmp_path / "t3",
        1,
        lambda line: None,
    )
    said: list[str] = []
    train(
        TrainOptions(**late, start=str(tmp_path / "t3" / "best.pt")),
        again,
        tmp_path / "t4",
        2,
        said.append,
    )
    assert any(
        "the fusion over answers begins anew: its classes are others" in line for line in said
    )


def test_what_is_frozen_stays_as_it_is_and_what_was_learned_is_taken_over(
    shards: Path, tmp_path: Path
) -> None:
    first, _ = trained(shards, tmp_path / "first")
    options = {
        "start": str(tmp_path / "first" / "best.pt"),
        "freeze": ["encoders.image"],
        "rates": {"encoders": 0.1},
        "fusion": "add",
    }
    second, said = trained(shards, tmp_path / "second", **options)
    best = weights(tmp_path / "first", "best.pt")
    assert any("tensors taken from" in line and "begin anew" in line for line in said)
    for name, tensor in second.items():
        if name.startswith("encoders.image"):
            assert torch.equal(tensor, best[name]), name
    assert not torch.equal(
        second["encoders.note.embedding.weight"], best["encoders.note.embedding.weight"]
    )
    for wrong, told in (
        (
            {"freeze": ["encoders.imge"]},
            "nothing of the model is called 'encoders.imge'; did you mean 'encoders.image'",
        ),
        ({"start": str(tmp_path / "nothing.pt")}, "there is no such file"),
        ({"start": str(shards / "shards.json")}, "not a checkpoint or state_dict"),
        (
            {"freeze": ["encoders", "norms", "fusion", "head", "missing", "model"]},
            "nothing of the model is called",
        ),
    ):
        with pytest.raises(InputError, match=told):
            trained(shards, tmp_path / "wrong", **wrong)
    assert len(first) > 0


def test_an_encoder_begins_with_a_file_of_its_own_named_as_torchvision_names(
    shards: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    flat = ResNet18(16, InputPart("image", InputOptions(size=32), {})).state_dict()
    alone = {name: tensor for name, tensor in flat.items() if not name.startswith("project")}
    torch.save({**alone, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "resnet18.pth")
    options = {
        "start": {"image": str(tmp_path / "resnet18.pth")},
        "freeze": ["encoders.image.conv1"],
        "encoders": {"image": "resnet18"},
        "epochs": 1,
    }
    tensors, said = trained(shards, tmp_path / "run", **options)
    assert torch.equal(tensors["encoders.image.conv1.weight"], alone["conv1.weight"])
    assert any(f"{len(alone)} tensors taken from" in line for line in said)
    wrapped = {f"module.{name}": tensor for name, tensor in alone.items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "parallel.pth")
    options["start"] = {"image": str(tmp_path / "parallel.pth")}
    tensors, _ = trained(shards, tmp_path / "parallel", **options)
    assert torch.equal(tensors["encoders.image.conv1.weight"], alone["conv1.weight"])
    (tmp_path / "empty.pth").touch()
    torch.save({"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)}, tmp_path / "nan.pth")
    for name, told in (("empty", "not a checkpoint"), ("nan", "conv1.weight holds NaN")):
        with pytest.raises(InputError, match=told):
            trained(shards, tmp_path / "bad", start={"image": str(tmp_path / f"{name}.pth")})
    wrong = {**OPTIONS, "start": {"imge": "a.pt"}}
    assert parse_options(wrong)[1] == ["train.start.imge: no such input; did you mean 'image'?"]
