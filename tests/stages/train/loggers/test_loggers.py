"""What each logger writes is read back by its own reader, and is what ``log.jsonl`` has."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from commands import here
from modalmill.schemas.errors import InputError, MissingPackageError
from modalmill.stages import outside
from modalmill.stages.train.loop import log
from modalmill.stages.train.methods import loggers as cards
from modalmill.stages.train.methods.loggers import check_loggers
from modalmill.stages.train.options import TrainOptions, parse_options
from taught import rows_of, text_recipe
from tiny import write

History: TypeAlias = dict[str, list[tuple[int, float]]]

# each with what a run of it leaves in the environment, which later tests must not find
_SET = ("WANDB_ERROR_REPORTING", "MLFLOW_DISABLE_TELEMETRY", "WANDB_MODE")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SET:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def kept(training: Path) -> History:
    """What ``log.jsonl`` has of each number."""
    history: History = defaultdict(list)
    for text in (training / "log.jsonl").read_text().splitlines():
        line = json.loads(text)
        line |= {f"weights/{part}": weight for part, weight in line.pop("weights", {}).items()}
        epoch = line.pop("epoch")
        for name, number in line.items():
            if isinstance(number, (int, float)):
                history[name].append((epoch, number))
    return dict(history)


def in_tensorboard(training: Path) -> History:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(training / "tensorboard"))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def in_csv(training: Path) -> History:
    with open(training / "csv" / "epochs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [(int(row["epoch"]), float(row[name])) for row in rows]
        for name in rows[0]
        if name != "epoch"
    }


def in_mlflow(training: Path) -> History:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{training}/mlflow/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("modalmill").experiment_id])
    return {
        name: [
            (metric.step, metric.value)
            for metric in client.get_metric_history(run.info.run_id, name)
        ]
        for name in run.data.metrics
    }


def wandb_records(file: Path) -> Iterator[Any]:
    """What a file of an offline run holds: records of the package's protocol in a log of LevelDB,
    whose blocks of 32 KiB have pieces with a head of checksum, length and kind (1 whole, 2 first, 3
    middle, 4 last).
    """
    from wandb.proto import wandb_internal_pb2

    data, place, block = file.read_bytes(), 7, 32768  # after the head of the file
    pieces = b""
    while place + 7 <= len(data):
        if block - place % block < 7:
            place += block - place % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pieces)
            pieces = b""
            yield record


def wandb_run(file: Path) -> Any:
    """What an offline run says of itself when it begins."""
    records = wandb_records(file)
    return next(each.run for each in records if each.WhichOneof("record_type") == "run")


def in_wandb(training: Path) -> History:
    (file,) = (training / "wandb").glob("wandb/offline-run-*/run-*.wandb")
    history: History = defaultdict(list)
    for record in wandb_records(file):
        if record.WhichOneof("record_type") == "history":
            items = {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            for name, number in items.items():
                if not name.startswith("_"):
                    history[name].append((items["_step"], number))
    return dict(history)


READERS = {
    "tensorboard": (in_tensorboard, 1e-6),  # float32
    "csv": (in_csv, 0),
    "mlflow": (in_mlflow, 0),
    "wandb": (in_wandb, 0),
}


def recipe_of(root: Path, **train: Any) -> Path:
    value = text_recipe(root, rows_of(lambda number: number % 2, count=48), **train)
    return write(root / "r.yaml", json.dumps(value))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that told all of them."""
    root = tmp_path_factory.mktemp("logged")
    with pytest.MonkeyPatch.context() as patch:
        for name in _SET:
            patch.setenv(name, "")
            patch.delenv(name)
        path = recipe_of(root, fusion="gated", log=list(READERS))
        done = here("run", path, "--out", root / "out", "--engine", "serial", cwd=root)
    assert done.returncode == 0, done.stderr
    return root / "out" / "training"


@pytest.mark.parametrize("word", READERS)
def test_every_logger_has_the_numbers_of_the_log(logged: Path, word: str) -> None:
    read, tolerance = READERS[word]
    wanted, found = kept(logged), read(logged)
    assert {"loss", "validation", "lr", "seconds", "weights/t"} <= set(wanted)
    assert set(found) == set(wanted)
    for name, history in wanted.items():
        assert [epoch for epoch, _ in history] == [0, 1]
        assert found[name] == [
            (epoch, pytest.approx(number, rel=tolerance, abs=0)) for epoch, number in history
        ]


def test_what_was_trained_is_told_as_well(logged: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{logged}/mlflow/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("modalmill").experiment_id])
    assert run.info.status == "FINISHED"
    wanted = {"fusion": "gated", "inputs.t.length": "6", "epochs": "2"}
    assert run.data.params.items() >= wanted.items()
    (file,) = (logged / "wandb").glob("wandb/offline-run-*/run-*.wandb")
    started = wandb_run(file)
    config = {item.key: json.loads(item.value_json) for item in started.config.update}
    assert config.items() >= wanted.items()
    assert (started.project, started.display_name) == ("modalmill", run.info.run_name)


def test_what_was_logged_where_is_no_part_of_the_model_and_makes_no_other_training(
    logged: Path, tmp_path: Path
) -> None:
    import torch

    about = json.loads(torch.load(logged / "best.pt", weights_only=True)["about"])
    assert "log" not in about["options"]
    root = logged.parents[1]
    done = here(
        "run",
        root / "r.yaml",
        "--out",
        root / "out",
        "--set",
        "train.log=[]",
        "--engine",
        "serial",
        cwd=root,
    )
    assert "finished before" in done.stderr


# In a process of its own, for both packages read the environment when they are imported.
GOES_ON = """
import json, socket, sys
from pathlib import Path
from modalmill.stages.train.loggers.logger import Logger, TrainingFacts
from modalmill.stages.train.methods.loggers import LOGGERS

asked = []
def refuse(*given, **named):
    asked.append(given)
    raise OSError("no network in this test")
socket.getaddrinfo = refuse

facts = TrainingFacts(name="x", settings={"epochs": "5"})
for first in (0, 2):
    for word in ("csv", "wandb", "mlflow"):
        logger = LOGGERS[word].make(Logger, Path(word), facts)
        for epoch in range(first, first + 3):
            logger.numbers(epoch, {"loss": 1 / (epoch + 1)})
        logger.close(is_finished=first > 0)
import mlflow.telemetry.utils, wandb
telling = wandb.env.error_reporting_enabled(), not mlflow.telemetry.utils.is_telemetry_disabled()
print(json.dumps([asked, *telling, "torch" in sys.modules]))
"""


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """What loggers wrote of a training that was killed in its third epoch and taken up again, and
    what they asked of the network.
    """
    root = tmp_path_factory.mktemp("gone_on")
    # as bare as a shell: MLflow is silent by itself where it finds itself tested
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", GOES_ON],
        env={**bare, "MLFLOW_TRACKING_URI": "http://192.0.2.1:5000"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout.splitlines()[-1])


def test_a_training_that_goes_on_goes_on_in_the_same_run(gone_on: tuple[Path, Any]) -> None:
    training, _ = gone_on
    assert in_csv(training)["loss"] == [(epoch, 1 / (epoch + 1)) for epoch in range(5)]
    twice = [(epoch, 1 / (epoch + 1)) for epoch in (0, 1, 2, 2, 3, 4)]
    assert sorted(in_mlflow(training)["loss"]) == sorted(twice)
    files = list((training / "wandb").glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert len({wandb_run(file).run_id for file in files}) == 1  # one run to its server


def test_nothing_leaves_the_machine_unasked(gone_on: tuple[Path, list[Any]]) -> None:
    _, (asked, wandb_reports, mlflow_reports, loads_torch) = gone_on
    assert asked == []
    assert not wandb_reports
    assert not mlflow_reports
    assert not loads_torch


def test_mistakes_are_told_before_anything_is_read() -> None:
    def told(log_: Any) -> list[str]:
        return parse_options({"target": "y", "inputs": {"x": {}}, "log": log_})[1]

    assert told(["tensorbord"]) == [
        "train.log: no such method 'tensorbord'; did you mean 'tensorboard'?"
    ]
    assert told([{"wandb": {"projct": "x"}}]) == [
        "train.log.wandb.projct: unknown option; did you mean 'project'?"
    ]
    assert told([{"wandb": {"mode": "ofline"}}]) == [
        "train.log.wandb: no mode 'ofline'; did you mean 'offline'?"
    ]
    assert told(["csv", "csv"]) == ["train.log: csv: given twice"]
    assert told([]) == told(None) == told(["csv", {"mlflow": {"experiment": "e"}}]) == []
    assert "train.log" in told("csv")[0]


def test_a_package_that_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cards.importlib.util.find_spec
    monkeypatch.setattr(
        cards.importlib.util, "find_spec", lambda name: None if name == "wandb" else real(name)
    )
    with pytest.raises(MissingPackageError, match=r"train\.log: wandb needs the package wandb"):
        check_loggers(["csv", "wandb"])
    done = here("run", recipe_of(tmp_path, log=["wandb"]), "--out", tmp_path / "o", cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'modalmill[wandb]'" in done.stderr
    assert not (tmp_path / "o").exists()


OWN = """
from modalmill.stages.train.loggers.logger import Logger
from modalmill.stages.train.methods import Card


class Lines(Logger):
    def __init__(self, folder, training, *, most=3):
        self.folder, self.most = folder, most
        folder.mkdir(parents=True)

    def numbers(self, epoch, numbers):
        if epoch >= self.most:
            raise ConnectionError("the other end is away")
        with open(self.folder / "lines.txt", "a") as file:
            file.write(f"{epoch} {numbers['loss']}\\n")


LOGGERS = {"lines": Card(f"{__name__}:Lines", "lines", "of this test", "")}
"""


def test_one_of_your_own_is_told_and_may_fail(tmp_path: Path) -> None:
    write(tmp_path / "mine.py", OWN)
    try:
        path = recipe_of(tmp_path, log=[{"lines": {"most": 1}}], epochs=3)
        write(path, json.dumps({**json.loads(path.read_text()), "use": ["mine.py"]}))
        done = here("run", path, "--out", tmp_path / "out", "--engine", "serial", cwd=tmp_path)
    finally:
        outside.use([], keep=True)
    assert done.returncode == 0, done.stderr
    training = tmp_path / "out" / "training"
    (line,) = (training / "lines" / "lines.txt").read_text().splitlines()
    assert line == f"0 {kept(training)['loss'][0][1]}"
    assert len(kept(training)["loss"]) == 3
    assert done.stderr.count("training: log: lines fails (the other end is away)") == 1
    assert "log.jsonl has every epoch" in done.stderr
    assert not (training / "tensorboard").exists()


def test_one_that_cannot_be_opened_stops_before_the_first_step(tmp_path: Path) -> None:
    options = TrainOptions.model_validate(
        {"target": "y", "inputs": {"x": {}}, "log": [{"mlflow": {"uri": "nowhere://x"}}]}
    )
    with (
        pytest.raises(InputError, match="train.log: mlflow cannot be opened"),
        log.opened_log(options, tmp_path, "x", 0, print),
    ):
        pass
