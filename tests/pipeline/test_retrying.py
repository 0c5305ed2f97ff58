"""``modalmill retry`` looks again at what was rejected for a reason, where a plain run keeps it."""

from __future__ import annotations

from functools import partialmethod
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from commands import here
from mixture import products
from modalmill.pipeline.engine import Serial
from tiny import csv_source, jpeg, recipe, write

STAGE = """
from dataclasses import dataclass
from pathlib import Path

from modalmill.schemas.record import Fault
from modalmill.stages.base import RecordStage

SERVICE = Path(__file__).with_name("service_is_down")


@dataclass(frozen=True, kw_only=True)
class AskService(RecordStage):
    \"\"\"Asks somebody who is not always there.\"\"\"

    def fault(self, record):
        is_odd = record.parts["caption"].text.endswith(("1", "3"))
        return Fault("service_down") if is_odd and SERVICE.exists() else None
"""


@pytest.fixture
def rejected(tmp_path: Path) -> Path:
    """A run of four captions, two of which a stage refused because of what lies outside."""
    write(tmp_path / "ask.py", STAGE)
    write(tmp_path / "service_is_down", "")
    write(tmp_path / "t.csv", "id,caption\n" + "\n".join(f"{n},caption {n}" for n in range(4)))
    value = recipe(tmp_path, {"t": csv_source("caption")}, ["ask.ask_service"], shard={})
    value["use"] = ["ask.py"]
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    run(tmp_path)
    return tmp_path


def run(folder: Path, out: str = "out", *more: object) -> str:
    command = ("run", folder / "r.yaml", "--out", folder / out, "--engine", "serial", *more)
    done = here(*command, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def retry(folder: Path, *more: object) -> str:
    done = here("retry", folder / "out", *more, "--engine", "serial", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_run_keeps_is_tried_again_and_ends_as_a_fresh_run_does(rejected: Path) -> None:
    (rejected / "service_is_down").unlink()
    assert "service_down" in run(rejected), "a run does not know that the reason is gone"
    told = retry(rejected, "--reason", "service_down")
    assert "service_down: of 2 records tried again 2 written now" in told
    run(rejected, "fresh")
    assert products(rejected / "out") == products(rejected / "fresh")


def test_what_has_not_changed_is_rejected_again(rejected: Path) -> None:
    before = products(rejected / "out")
    told = retry(rejected, "--reason", "service_down")
    assert "of 2 records tried again 2 rejected again: service_down" in told
    assert products(rejected / "out") == before


def test_an_unknown_reason_is_told_with_those_there_are(rejected: Path) -> None:
    before = products(rejected / "out")
    done = here("retry", rejected / "out", "--reason", "servce_down")
    assert done.returncode == 1
    assert "did you mean 'service_down'?" in done.stderr
    assert "This run rejected: service_down (2)" in done.stderr
    done = here("retry", rejected / "out", "--reason", "decoder_timeout")
    assert "rejected for it. This run rejected: service_down (2)" in done.stderr
    assert products(rejected / "out") == before
    listed = here("retry", rejected / "out").stdout.split()
    assert listed[listed.index("service_down") + 1] == "2"


@pytest.mark.parametrize(
    ("task", "item"),
    [
        ("MeasureTask", "image:pictures/1.jpg"),
        ("PieceTask", "image:pictures/1.jpg"),
        ("IngestTask", "pictures/1.jpg"),
    ],
)
def test_a_file_that_took_too_long_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, item: str
) -> None:
    for number in range(3):
        write(tmp_path / "pictures" / f"{number}.jpg", jpeg(seed=number))
    value = recipe(
        tmp_path, {"t": {"type": "image_folder", "path": "pictures"}}, ["clean.image"], shard={}
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    with monkeypatch.context() as patch:
        patch.setattr(Serial, "map", partialmethod(_with_a_timeout, task, item))
        run(tmp_path)
    assert pq.read_table(tmp_path / "out" / "rejects.parquet")["rule"].to_pylist() == [
        "decoder_timeout"
    ]
    assert "decoder_timeout" in run(tmp_path), "a run does not know that there is more time now"
    told = retry(tmp_path, "--reason", "decoder_timeout")
    assert "decoder_timeout: of 1 records tried again 1 written now" in told
    run(tmp_path, "fresh")
    assert products(tmp_path / "out") == products(tmp_path / "fresh")


def _with_a_timeout(self, kind, item, tasks):
    """The engine where the guard has found twice that an item takes too long."""
    for place, task in enumerate(tasks):
        slow = {item: "decoder_timeout"} if type(task).__name__ == kind else {}
        yield place, task.run(lambda item: None, slow)


def test_a_run_that_stopped_early_wants_its_recipe(rejected: Path) -> None:
    (rejected / "out" / "recipe.yaml").unlink()
    done = here("retry", rejected / "out", "--reason", "service_down")
    assert done.returncode == 1
    assert "give --recipe" in done.stderr
    told = retry(rejected, "--reason", "service_down", "--recipe", rejected / "r.yaml")
    assert "2 rejected again" in told
