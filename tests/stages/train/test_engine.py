"""The engine: stopped anywhere it goes on with the same bits, several processes do what one does,
and what is to stay stays.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from campaign import also
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.loop import loop
from modalmill.stages.train.loop.log import where_time_went
from modalmill.stages.train.loop.loop import train
from modalmill.stages.train.loop.optimise import MovingMean, make_optimiser, make_schedule
from modalmill.stages.train.loop.prepare import prepare
from modalmill.stages.train.loop.run import Run
from modalmill.stages.train.model import checkpoint
from modalmill.stages.train.model.encoders import InputPart
from modalmill.stages.train.model.encoders.resnet import ResNet18
from modalmill.stages.train.options import InputOptions, TrainOptions, parse_options
from tiny import jpeg, png, recipe, write
from torch import nn

KILLS = int(os.environ.get("MODALMILL_KILLS", "5"))
OPTIONS: dict[str, Any] = {
    "target": "answer",
    "inputs": {"image": {"size": 16}, "note": {"length": 3}},
    "fusion": "concat",
    "width": 16,
    "hidden": 16,
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.01,
    "dropout": 0.2,
    "device": "cpu",
    "threads": 0,
    "checks": False,
}

SCRIPT = textwrap.dedent(
    """
    import json, os, signal, sys
    from contextlib import contextmanager
    from pathlib import Path
    import matplotlib.pyplot, torch, torch.utils.tensorboard  # late, in each of them, otherwise
    from modalmill.stages.train.loop import loop
    from modalmill.stages.train.options import TrainOptions

    torch.set_num_threads(int(sys.argv[1]))

    def work(shards, out, options, kill_at, noting):
        steps = 0

        @contextmanager
        def watch(name, unit):
            def advance(done, total):
                nonlocal steps
                steps += 1
                if steps == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            yield advance

        if noting:
            inner = loop._on_device
            def note(run, raw):
                with open(out / f"keys{os.environ['RANK']}.jsonl", "a") as file:
                    keys = [key for key in raw.keys if key]
                    file.write(json.dumps([run.epoch, run.steps, keys]) + "\\n")
                return inner(run, raw)
            out.mkdir(parents=True, exist_ok=True)
            loop._on_device = note
        loop.train(TrainOptions(**options), shards, out, 3, lambda line: None, watch)

    for line in sys.stdin:
        shards, out, options, kill_at, ranks, port = json.loads(line)
        children = []
        for rank in range(max(1, ranks)):
            children.append(os.fork())
            if children[-1]:
                continue
            if ranks:
                there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": ranks}
                there |= {"LOCAL_WORLD_SIZE": ranks, "RANK": rank, "LOCAL_RANK": rank}
                os.environ.update({name: str(value) for name, value in there.items()})
            work(Path(shards), Path(out), options, kill_at, ranks > 0)
            os._exit(0)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(ends), flush=True)
    """
)


class Trainers:
    """Processes that train, each forked from one that has imported everything and done nothing:
    torch's imports cost more than a training of these.
    """

    def __init__(self, folder: Path) -> None:
        script = write(folder / "script.py", SCRIPT)
        self._errors = folder / "errors.txt"
        with self._errors.open("w") as errors:
            self._parent = subprocess.Popen(
                [sys.executable, str(script), str(torch.get_num_threads())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def train(
        self, shards: Path, out: Path, kill_at: int = 0, ranks: int = 0, **more: Any
    ) -> list[int]:
        """The exit status of each process; with ranks they train together, as torchrun's do."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asked = [str(shards), str(out), {**OPTIONS, **more}, kill_at, ranks, port]
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(json.dumps(asked), file=self._parent.stdin, flush=True)
        ends: list[int] = json.loads(self._parent.stdout.readline())
        # whoever is left alone when another is killed ends with an error
        fine = -signal.SIGKILL in ends or set(ends) == {0} if kill_at else set(ends) == {0}
        assert fine, self._errors.read_text()[-3000:]
        return ends

    def close(self) -> None:
        self._parent.communicate()


@pytest.fixture(scope="module")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainers]:
    made = Trainers(tmp_path_factory.mktemp("trainers"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("engine")
    lines = ["id,note,answer,split"]
    for number in range(120):
        if number % 5:
            write(root / "img" / f"{number}.jpg", jpeg(seed=number))
        split = "test" if number % 10 == 0 else "val" if number % 10 == 1 else "train"
        lines.append(
            f"{number},{'up it' if number % 2 else 'down'},{'yes' if number % 2 else 'no'},{split}"
        )
    write(root / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"note": "note"},
        "targets": ["answer"],
        "split": "{split}",
        "media": {"image": {"path": "img/{id}.jpg"}},
    }
    run(
        make_plan(parse_recipe(recipe(root, {"t": source}, shard={})), root), root / "out", "serial"
    )
    return root / "out" / "shards"


def weights(out: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    return dict(checkpoint.read(out / name).model)


def test_killed_at_any_step_it_ends_with_the_same_bits(
    shards: Path, trainers: Trainers, tmp_path: Path
) -> None:
    """Dropout, modality dropout, buckets, a moving mean and the optimiser's state all go on where
    they were. The whole run is that of another interpreter, which hashes words otherwise.
    """
    more = {"save_every_s": 0.0, "ema": 0.9, "losses": ["mixup", "joint"], "buckets": {"note": [1]}}
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


def keys_of(out: Path) -> dict[tuple[int, int], set[str]]:
    """(epoch, step) -> the keys of the global batch, from what every rank saw."""
    found: dict[tuple[int, int], set[str]] = {}
    for path in out.glob("keys*.jsonl"):
        for line in path.read_text().splitlines():
            epoch, step, keys = json.loads(line)
            found.setdefault((epoch, step), set()).update(keys)
    return found


def test_two_processes_do_what_one_does_and_hand_over_to_each_other(
    shards: Path, trainers: Trainers, tmp_path: Path
) -> None:
    """The same keys in every global batch, and weights equal to 1e-5; also when the first epoch is
    done by one, the next by two, the last by one.
    """
    more = {"dropout": 0.0, "metric": "macro_f1"}
    for ranks, name in ((1, "one"), (2, "two"), (3, "three")):
        assert trainers.train(shards, tmp_path / name, ranks=ranks, **more) == [0] * ranks
    one = weights(tmp_path / "one")
    scores = {
        name: [
            json.loads(line)["validation"]
            for line in (tmp_path / name / "log.jsonl").read_text().splitlines()
        ]
        for name in ("one", "two", "three")
    }
    assert scores["two"] == scores["three"] == scores["one"], (
        "a metric of all rows sees those of all processes"
    )
    for name in ("two", "three"):
        assert keys_of(tmp_path / name) == keys_of(tmp_path / "one")
        for parameter, tensor in weights(tmp_path / name).items():
            assert torch.allclose(tensor, one[parameter], atol=1e-5), f"{name}: {parameter}"
    turns = tmp_path / "turns"
    for ranks, kill_at in ((1, 8), (2, 8), (1, 0)):  # six steps an epoch
        ended = trainers.train(shards, turns, kill_at, ranks, **more, save_every_s=0.0)
        assert (-signal.SIGKILL in ended) is (kill_at > 0)
    assert keys_of(turns) == keys_of(tmp_path / "one")
    for parameter, tensor in weights(turns).items():
        assert torch.allclose(tensor, one[parameter], atol=1e-5), parameter


def trained(shards: Path, out: Path, **more: Any) -> tuple[dict[str, torch.Tensor], list[str]]:
    said: list[str] = []
    torch.manual_seed(0)
    train(TrainOptions(**{**OPTIONS, **more}), shards, out, 3, said.append)
    return weights(out), said


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


def test_each_batch_is_as_long_as_its_class(shards: Path, tmp_path: Path) -> None:
    """Notes have one word or two: batches of ones are one token long, the others as long as the
    input may be; each record comes once an epoch.
    """
    prepared = prepare(TrainOptions(**{**OPTIONS, "buckets": {"note": [1]}}), shards, 3)
    keys: list[str] = []
    for raw in prepared.stream:
        lengths = raw.lengths["note"][raw.weight_B > 0]
        assert raw.parts["note"].shape[1] == (1 if bool((lengths == 1).all()) else 3)
        assert len(set(lengths.tolist())) == 1
        keys += [key for key in raw.keys if key]
    assert len(keys) == len(set(keys)) == len(prepared.stream.index)
    for buckets, told in (
        ({"nte": [1]}, "no such input 'nte'|no such input; did you mean 'note'"),
        ({"note": []}, "wanted lengths of a text"),
    ):
        _, problems = parse_options({**OPTIONS, "buckets": buckets})
        assert re.search(told, "\n".join(problems)), problems
    with pytest.raises(
        InputError, match="image has no lengths; wanted a part of text, sound or series"
    ):
        prepare(TrainOptions(**{**OPTIONS, "buckets": {"image": [1]}}), shards, 3)


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
        source = {
            "type": "csv",
            "path": "t.csv",
            "id": "{id}",
            "text": {"note": "note"},
            "targets": ["answer"],
            "split": "{split}",
        }
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


def test_the_moving_mean_is_what_is_evaluated(shards: Path, tmp_path: Path) -> None:
    _, _ = trained(shards, tmp_path / "mean", ema=0.99)
    last, best = weights(tmp_path / "mean"), weights(tmp_path / "mean", "best.pt")
    assert any(not torch.equal(last[name], best[name]) for name in last)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_rates_rise_fall_and_keep_their_shares(optimiser: str, schedule: str) -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    options = TrainOptions(
        target="y",
        inputs={"x": {}},
        optimiser=optimiser,
        schedule=schedule,
        rates={"b": 0.1},
        learning_rate=0.1,
    )  # type: ignore[arg-type]
    made = make_optimiser(model, options)
    rates = make_schedule(made, options, 50)
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert decays[id(model["a"].weight)] == 0.01
    assert decays[id(model["a"].bias)] == 0
    seen = []
    for _ in range(50):
        a, b = (
            next(
                group["lr"]
                for group in made.param_groups
                if any(p is model[name].weight for p in group["params"])
            )
            for name in "ab"
        )
        assert b == pytest.approx(0.1 * a)
        seen.append(a)
        made.step()
        rates.step()
    if schedule == "constant":
        assert set(seen) == {0.1}
    else:
        top = seen.index(max(seen))
        assert max(seen) == pytest.approx(0.1, rel=0.01)
        assert 2 <= top <= 7
        assert seen[-1] < 0.01


def test_before_training_it_is_told_what_would_make_it_pointless(
    shards: Path, tmp_path: Path
) -> None:
    _, said = trained(shards, tmp_path / "plain", checks=True, epochs=1)
    text = "\n".join(said)
    assert "2 classes, the commonest 'no' with 50%" in text
    assert "is learned by heart" in text
    unchecked, _ = trained(shards, tmp_path / "unchecked", epochs=1)
    assert all(
        torch.equal(tensor, unchecked[name]) for name, tensor in weights(tmp_path / "plain").items()
    ), "the checks change nothing"


def test_the_log_names_what_bounds_the_speed() -> None:
    assert where_time_went([0.1] * 10, [0.02] * 10)["bound_by"] == "reading and decoding"
    found = where_time_went([0.0] * 99 + [0.0], [0.02] * 99 + [0.5])
    assert found == {
        "wait_share": 0.0,
        "step_ms_p50": 20.0,
        "step_ms_p99": pytest.approx(24.8, abs=0.5),
        "bound_by": "computing",
    }


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


def test_a_recipe_is_run_by_several_processes_of_which_the_first_writes_the_shards(
    tmp_path: Path,
) -> None:
    lines = ["id,note,answer,split"] + [
        f"{n},{'up' if n % 2 else 'down'},{'yes' if n % 2 else 'no'},{'train' if n % 5 else 'val'}"
        for n in range(80)
    ]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"note": "note"},
        "targets": ["answer"],
        "split": "{split}",
    }
    options = {**OPTIONS, "inputs": {"note": {"length": 3}}, "epochs": 4}
    write(
        tmp_path / "r.yaml",
        yaml.safe_dump(recipe(tmp_path, {"t": source}, shard={}, train=options)),
    )
    words = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "modalmill",
        "run",
        "r.yaml",
        "--out",
        "out",
    ]
    done = subprocess.run(
        [sys.executable, *words, "--workers", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("all parts 1.000") == 1, "the first one speaks for all"
    assert done.stderr.count("training: epoch 4 of 4") == 1
    assert json.loads((tmp_path / "out" / "training" / "evaluation.json").read_text())["all"] == 1.0


def test_a_run_folder_explains_itself_and_says_what_made_it_start_anew(
    shards: Path, tmp_path: Path
) -> None:
    _, first = trained(shards, tmp_path / "run", epochs=1, fusion="gated")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["options"]["fusion"] == "gated"
    assert about["seed"] == 3
    assert about["shards"]["fingerprint"]
    assert about["versions"]["torch"] == torch.__version__
    assert about["machine"]["processes"] == 1
    (epoch,) = (
        json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    )
    assert set(epoch["weights"]) == {"image", "note"}
    assert not any("starting anew" in line for line in first)
    _, second = trained(shards, tmp_path / "run", epochs=1, fusion="gated", width=24, dropout=0.0)
    assert (
        second[0]
        == "training: width, dropout changed since the last run here; starting anew, its files"
        " are in run/before"
    )
    assert checkpoint.load(tmp_path / "run" / "before" / "best.pt").options.width == 16
    _, again = trained(shards, tmp_path / "run", epochs=1, fusion="gated", width=24, dropout=0.0)
    assert "finished before" in again[0]
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_what_training_never_sees_has_no_part_in_it(shards: Path, tmp_path: Path) -> None:
    """Learning from complete ones alone is learning without those rows: the rest makes no
    gradient.
    """
    caught: list[tuple[float, float]] = []

    def losses(**more: Any) -> None:
        run = Run(prepare(TrainOptions(**{**OPTIONS, **more}), shards, 3), tmp_path, 3, print)
        weights = rows = parts = there = 0.0
        for raw in run.stream:
            batch, shown, task = loop._on_device(run, raw)
            weights, rows = weights + float(task.weight_B.sum()), rows + len(batch)
            parts, there = parts + float(shown.sum()), there + float(raw.present_BM.sum())
        caught.append((weights / rows, parts / there))

    losses(complete_only=True, modality_dropout=0.0)
    assert caught[-1][0] == pytest.approx(0.875, abs=0.02), (
        "one in eight of the training rows lacks the picture"
    )
    losses(absent=0.5, modality_dropout=0.0)
    assert caught[-1] == (1.0, pytest.approx(0.65, abs=0.1))


def test_a_moving_mean_takes_buffers_as_they_are_and_forgets_its_beginning() -> None:
    model = nn.BatchNorm1d(2)
    mean = MovingMean(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    for step in range(200):
        model.running_mean.fill_(float(step))  # type: ignore[union-attr]  # it tracks them
        mean.update(model)
    assert mean.mean["running_mean"].tolist() == [199.0, 199.0]
    assert mean.mean["weight"].tolist() == pytest.approx([5.0, 5.0], abs=1e-3)


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
