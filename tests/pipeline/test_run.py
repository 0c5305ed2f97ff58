"""The run: same bytes by any engine and after any kill, only what changed done again, nothing
half-written.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from mixture import STAGES, full_recipe, products
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result, run
from modalmill.schemas.errors import InputError, StorageError, ToleranceError
from modalmill.schemas.recipe import parse_recipe
from tiny import recipe, vqa_corpus, wav, write


def test_the_same_data_elsewhere_gives_the_same_bytes(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = full_recipe(tmp_path / "raw")
    run_recipe(value, tmp_path / "one")
    shutil.copytree(tmp_path / "raw", tmp_path / "moved")
    run_recipe({**value, "data": str(tmp_path / "moved")}, tmp_path / "other")
    assert products(tmp_path / "one") == products(tmp_path / "other")


def test_a_second_run_touches_nothing(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    value = full_recipe(tmp_path / "raw")
    run_recipe(value)
    out = tmp_path / "out"
    kept = [
        "manifest",
        "shards",
        "features",
        "work/media",
        "work/measured",
        "work/records",
        "work/ingest",
    ]
    before = {path: path.stat().st_mtime_ns for name in kept for path in (out / name).rglob("*")}
    run_recipe(value)
    assert {
        path: path.stat().st_mtime_ns for name in kept for path in (out / name).rglob("*")
    } == before


def test_new_files_cost_their_own_work_and_thresholds_cost_no_decoding(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.pipeline import measuring

    value = full_recipe(tmp_path / "raw")
    run_recipe(value)
    measured: list[str] = []
    real = measuring.MeasureTask.run

    def seen(self, beat, skip):
        measured.extend(medium.uri for medium in self.media)
        return real(self, beat, skip)

    monkeypatch.setattr(measuring.MeasureTask, "run", seen)
    changed = json.loads(json.dumps(value))
    changed["stages"][1] = {"clean.image": {"min_side": 16, "min_sharpness": 1.0}}
    run_recipe(changed)
    assert measured == []
    write(tmp_path / "raw" / "sounds" / "new.wav", wav(800))
    result = run_recipe(value)
    assert measured == ["sounds/new.wav"]
    assert result.account.problems() == []
    fresh = run_recipe(value, tmp_path / "fresh")
    assert fresh.account.to_dict() == result.account.to_dict()
    assert products(tmp_path / "fresh") == products(tmp_path / "out")


def start(
    folder: Path, value: dict[str, Any], out: Path, *more: str, **options: Any
) -> subprocess.Popen[str]:
    path = write(folder / "r.yaml", yaml.safe_dump(value))
    command = [
        sys.executable,
        "-m",
        "modalmill",
        "run",
        str(path),
        "--out",
        str(out),
        "--workers",
        "2",
        *more,
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    value = full_recipe(tmp_path / "raw")
    assert start(tmp_path, value, tmp_path / "whole").wait() == 0
    chance = random.Random(5)
    kills = 0
    for _ in range(8):
        process = start(tmp_path, value, tmp_path / "killed")
        try:
            process.wait(timeout=chance.uniform(0.5, 1.8))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    assert start(tmp_path, value, tmp_path / "killed").wait() == 0
    assert kills >= 1
    assert products(tmp_path / "killed") == products(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*.tmp"))


def test_control_c_ends_with_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    value = recipe(
        tmp_path / "raw",
        {"vqa": vqa_corpus(tmp_path / "raw", images=2000, per_image=2)},
        STAGES[1:2],
    )
    process = start(tmp_path, value, tmp_path / "out")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("ingest")
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    process.wait(timeout=20)
    assert process.returncode == 130
    assert "finished work is kept" in errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "out").rglob(".*.tmp"))


def test_a_full_disk_is_one_clear_error_and_the_run_goes_on_afterwards(tmp_path: Path) -> None:
    value = recipe(tmp_path / "raw", {"vqa": vqa_corpus(tmp_path / "raw", images=40, per_image=2)})

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    process = start(tmp_path, value, tmp_path / "out", preexec_fn=small)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "limit" in errors
    assert not list((tmp_path / "out").rglob(".*.tmp"))
    assert start(tmp_path, value, tmp_path / "out").wait() == 0


def test_a_folder_in_use_or_not_writable_is_one_clear_error(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    from modalmill.pipeline.lock import locked

    value = recipe(tmp_path / "raw", {"vqa": vqa_corpus(tmp_path / "raw", images=2)})
    with (
        locked(tmp_path / "out"),
        pytest.raises(StorageError, match="another run is at work here"),
    ):
        run_recipe(value)
    write(tmp_path / "file", "x")
    with pytest.raises(StorageError, match="choose another --out"):
        run_recipe(value, tmp_path / "file")


def test_past_the_tolerance_the_run_stops_and_says_how_many_of_how_many(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    options = vqa_corpus(tmp_path / "raw", images=4, per_image=1)
    for number in (1, 2, 3):
        write(tmp_path / "raw" / "images" / f"COCO_tiny2014_{number:012d}.jpg", "text")
    with pytest.raises(
        ToleranceError,
        match=r"clean.image: 3 of 4 were left out \(3 not_an_image\), .*; the first: q.json,"
        r" row 1: image",
    ):
        run_recipe(recipe(tmp_path / "raw", {"vqa": options}, ["clean.image"]))
    assert pq.read_table(tmp_path / "out" / "rejects.parquet").num_rows == 3
    assert (
        run_recipe(
            recipe(tmp_path / "raw", {"vqa": options}, ["clean.image"], tolerance=0.8)
        ).account.problems()
        == []
    )


def test_until_stops_where_it_is_told(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    value = full_recipe(tmp_path / "raw")
    run_recipe(value, until="clean.image")
    assert (tmp_path / "out" / "manifest").is_dir()
    assert not (tmp_path / "out" / "shards").exists()
    assert list(json.loads((tmp_path / "out" / "account.json").read_text())["stages"]) == [
        "align.require",
        "clean.image",
    ]
    run_recipe(value, tmp_path / "ingested", until="ingest")
    assert json.loads((tmp_path / "ingested" / "account.json").read_text())["stages"] == {}


def test_a_missing_folder_says_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    plan = make_plan(
        parse_recipe(recipe(tmp_path / "raw", {"a": {"type": "audio_folder", "path": "nowhere"}})),
        tmp_path / "raw",
    )
    with pytest.raises(InputError, match="check 'data', 'base' and the paths"):
        run(plan, tmp_path / "out", "serial")


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP of other systems prints otherwise")
@pytest.mark.parametrize(("said", "wanted"), [(None, True), ("ACTIVE", False)])
def test_threads_wait_without_spinning_where_nobody_says_otherwise(
    said: str | None, wanted: bool
) -> None:
    environment = {word: value for word, value in os.environ.items() if word != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | ({"OMP_WAIT_POLICY": said} if said else {})
    code = (
        "import sys, modalmill as mm\n"
        "try: mm.run('nowhere.yaml')\n"
        "except mm.ModalmillError: assert 'torch' not in sys.modules\n"
        "import torch"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ("GOMP_SPINCOUNT = '0'" in shown.stderr) is wanted
