"""Training learns, and stopped anywhere it goes on with the same bits."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from campaign import also
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.options import TrainOptions
from taught import TRAIN, text_recipe
from tiny import csv_source, recipe, write
from trainings import Trainers, trained, weights

KILLS = int(os.environ.get("MODALMILL_KILLS", "5"))


def test_killed_at_any_step_it_ends_with_the_same_bits(
    shards: Path, trainers: Trainers, tmp_path: Path
) -> None:
    """Dropout, modality dropout, buckets, copies, a moving mean and the optimiser's state all go on
    where they were. The whole run is that of another interpreter, which hashes words otherwise.
    """
    more = {
        "save_every_s": 0.0,
        "ema": 0.9,
        "losses": ["mixup", "joint"],
        "buckets": {"note": [1]},
        "augment": ["augment.crop", {"augment.text": {"dropout": 0.5}}],
    }
    trained(shards, tmp_path / "whole", **more)
    wanted, wanted_best = weights(tmp_path / "whole"), weights(tmp_path / "whole", "best.pt")
    chance = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        kill_at = chance.randint(1, 5)
        killed += trainers.train(shards, tmp_path / "cut", kill_at, **more) != [0]
    assert killed >= min(KILLS, 3)
    assert trainers.train(shards, tmp_path / "cut", **more) == [0]
    assert all(
        torch.equal(wanted[name], tensor) for name, tensor in weights(tmp_path / "cut").items()
    )
    assert all(
        torch.equal(wanted_best[name], tensor)
        for name, tensor in weights(tmp_path / "cut", "best.pt").items()
    )
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    assert [json.loads(line)["loss"] for line in logs[0]] == pytest.approx(
        [json.loads(line)["loss"] for line in logs[1]], rel=1e-12
    )


def test_what_augmenting_left_alone_is_said_once(shards: Path, tmp_path: Path) -> None:
    options = TrainOptions.model_validate(
        {
            "target": "answer",
            "inputs": {"image": {"size": 32}, "note": {"length": 3}},
            "epochs": 2,
            "augment": [{"augment.text": {"dropout": 0.5, "parts": ["note"]}}],
        }
    )
    said: list[str] = []
    train(options, shards, tmp_path / "t", 3, said.append)
    # of one word none can be left out; in a pass half of the records are to be changed
    (line,) = [line for line in said if "left as they are" in line]
    count = int(line.split()[1])
    assert 12 < count < 36
    assert line.endswith("augment.text: no copy: no word of its texts can be changed")


def test_batches_put_together_make_the_step_of_one_large_batch(
    shards: Path, tmp_path: Path
) -> None:
    """Eight rows twice are sixteen once, up to rounding, without chance in between."""
    plain = {
        "dropout": 0.0,
        "modality_dropout": 0.0,
        "optimiser": "sgd",
        "schedule": "constant",
        "epochs": 1,
    }
    large, _ = trained(shards, tmp_path / "large", **plain, batch_size=16)
    small, _ = trained(shards, tmp_path / "small", **plain, batch_size=8, accumulate=2)
    assert all(torch.allclose(small[name], tensor, atol=1e-5) for name, tensor in large.items())


# around an lstm, which is not traced, there are five times as many graphs to compile
@pytest.mark.parametrize("encoder", also(["embedding"], ["lstm"]))
def test_compiled_it_learns_the_same(shards: Path, tmp_path: Path, encoder: str) -> None:
    inputs = {"note": {"length": 3, "encoder": encoder}}
    plain = {"dropout": 0.0, "epochs": 1, "optimiser": "sgd", "inputs": inputs}
    eager, _ = trained(shards, tmp_path / "eager", **plain)
    # some workers that compile side by side would each import torch first
    with torch._inductor.config.patch(compile_threads=1):
        compiled, _ = trained(shards, tmp_path / "compiled", **plain, compile=True)
    assert all(torch.allclose(compiled[name], tensor, atol=1e-4) for name, tensor in eager.items())


def test_a_run_stopped_between_epochs_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions.model_validate({**TRAIN, "epochs": 4})
    shards = trained / "out" / "shards"
    train(options, shards, tmp_path / "whole", 3, lambda text: None)
    real, calls = checkpoint.save, [0]

    def stop_after_two(*arguments: Any) -> None:
        real(*arguments)
        if arguments[0].name == "last.pt":
            calls[0] += 1
            if calls[0] == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(options, shards, tmp_path / "stopped", 3, lambda text: None)
    monkeypatch.setattr(checkpoint, "save", real)
    train(options, shards, tmp_path / "stopped", 3, lambda text: None)
    one, other = (
        checkpoint.read(tmp_path / name / "last.pt").model for name in ("whole", "stopped")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "stopped" / "last.pt").read_bytes() == (
        tmp_path / "whole" / "last.pt"
    ).read_bytes()
    assert len((tmp_path / "stopped" / "log.jsonl").read_text().splitlines()) == 4


def test_a_checkpoint_of_other_options_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    shards = trained / "out" / "shards"
    said: list[str] = []
    for width in (16, 32):
        train(
            TrainOptions.model_validate({**TRAIN, "epochs": 1, "width": width}),
            shards,
            tmp_path / "t",
            3,
            said.append,
        )
    assert not any("resumed" in line for line in said)
    assert sum("starting anew" in line for line in said) == 1
    assert len((tmp_path / "t" / "log.jsonl").read_text().splitlines()) == 1
    assert checkpoint.load(tmp_path / "t" / "best.pt").options.width == 32


def test_regression_and_cached_features_train_too(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = ["id,text,size"] + [
        f"{number},{'big' if number % 2 else 'small'} thing {number % 5},{10 + 80 * (number % 2)}"
        for number in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("text", numbers=["size"])
    options = {
        "task": "regression",
        "target": "size",
        "inputs": {"text": {"feature": True}},
        "fusion": "concat",
        "width": 16,
        "epochs": 30,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    result = run_recipe(
        recipe(
            tmp_path,
            {"t": source},
            stages,
            features={"text": {"features.text": {"size": 64}}},
            train=options,
        )
    )
    assert result.training is not None
    assert -result.training["all"] < 10 < -result.training["commonest_answer"]
    log = [
        json.loads(line)
        for line in (tmp_path / "out" / "training" / "log.jsonl").read_text().splitlines()
    ]
    assert log[-1]["loss"] < log[0]["loss"]
    deviation = torch.load(tmp_path / "out" / "training" / "best.pt", weights_only=True)["model"][
        "encoders.text.deviation_F"
    ]
    assert deviation.unique().numel() == 1, "words keep their sizes against one another"


@pytest.mark.parametrize(("reduce", "rank"), [("pca", 4), ("lda", 1)])
def test_features_along_fitted_axes_train_too(
    reduce: str, rank: int, tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    lines = ["id,text,kind"] + [
        f"{number},{'big' if number % 2 else 'small'} thing"
        f" {number % 5},{'b' if number % 2 else 's'}"
        for number in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = csv_source("text", targets=["kind"])
    options = {
        "target": "kind",
        "inputs": {"text": {"feature": True, "reduce": reduce, "rank": rank}},
        "fusion": "mean",
        "width": 16,
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    stages = [{"align.split": {"shares": {"train": 0.7, "test": 0.3}}}]
    whole = recipe(
        tmp_path,
        {"t": source},
        stages,
        features={"text": {"features.text": {"size": 64}}},
        train=options,
    )
    result = run_recipe(whole)
    assert result.training is not None
    assert result.training["all"] == 1.0
    options["inputs"]["text"]["rank"] = 500  # type: ignore[index]  # a mapping
    with pytest.raises(InputError, match="train.inputs.text.rank: wanted 500"):
        run_recipe(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "cuda:97"}, "cannot be used here"),
        ({"device": "fast"}, "cannot be used here"),
        ({"precision": "fp16"}, "needs a GPU"),
        ({"task": "regression"}, "holds words"),
    ],
)
def test_what_this_machine_or_target_cannot_do_is_one_clear_error(
    trained: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train(
            TrainOptions.model_validate(TRAIN | change),
            trained / "out" / "shards",
            tmp_path / "t",
            3,
            lambda text: None,
        )


def test_a_checkpoint_that_cannot_be_read_costs_its_training_and_nothing_else(
    trained: Path, tmp_path: Path
) -> None:
    write(
        tmp_path / "t" / "last.pt", (trained / "out" / "training" / "last.pt").read_bytes()[:3000]
    )
    said: list[str] = []
    options = TrainOptions.model_validate(TRAIN | {"epochs": 1})
    train(options, trained / "out" / "shards", tmp_path / "t", 3, said.append)
    assert "not a checkpoint that modalmill wrote" in said[0]
    assert "starting anew" in said[0]
    assert (tmp_path / "t" / "best.pt").is_file()


Run = Callable[..., Result]


def test_nine_steps_are_trained(tmp_path: Path, run_recipe: Run) -> None:
    rows = [
        {"text": f"w{number}", "label": "ab"[number % 2], "split": "train"} for number in range(9)
    ]
    said = run_recipe(text_recipe(tmp_path, rows, epochs=3, batch_size=3))
    assert said.training is not None


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
