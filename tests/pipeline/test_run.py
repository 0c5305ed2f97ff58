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
from modalmill.pipeline import sharding
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.progress import Progress
from modalmill.pipeline.run import Result, run
from modalmill.pipeline.verify import verify
from modalmill.schemas.errors import InputError, StorageError, ToleranceError
from modalmill.schemas.fingerprint import hash_file
from modalmill.schemas.recipe import parse_recipe
from tiny import jpeg, mp4, png, recipe, vqa_corpus, wav, write

STAGES: list[Any] = [
    {"align.require": {"any_of": ["image", "audio", "video"]}},
    {"clean.image": {"min_side": 16}},
    {"clean.audio": {"on_fault": "drop_part"}},
    "clean.video",
    "clean.text",
    "clean.duplicates",
    "align.split",
    {"augment.flip": {"only_split": ""}},
    {"augment.noise": {"only_split": ""}},
]
FEATURES = {
    "image": "features.image",
    "question": {"features.text": {"size": 32}},
    "audio": "features.audio",
    "video": "features.video",
}


def mixed(root: Path, images: int = 8) -> dict[str, Any]:
    """Three sources with dirt in each."""
    vqa = vqa_corpus(root, images=images, per_image=2)
    write(root / "images" / "COCO_tiny2014_000000000002.jpg", jpeg(seed=2)[:-200])
    write(root / "images" / "COCO_tiny2014_000000000003.jpg", b"")
    for number in range(4):
        write(root / "clips" / f"{number}.mp4", mp4(sound=number != 1))
        write(root / "sounds" / f"{number}.wav", wav(300 + 100 * number))
    write(root / "clips" / "4.mp4", mp4()[:700])
    write(root / "sounds" / "4.wav", wav()[:900])
    return {
        "vqa": vqa,
        "clips": {"type": "video_folder", "path": "clips"},
        "sounds": {"type": "audio_folder", "path": "sounds", "targets": {"answer": "{stem}"}},
    }


def full_recipe(root: Path, **more: Any) -> dict[str, Any]:
    return recipe(
        root,
        mixed(root),
        STAGES,
        features=FEATURES,
        shard={"image_short_side": 32, "shard_bytes": 60_000},
        seed=3,
        **more,
    )


def products(out: Path) -> dict[str, str]:
    """Hash of every file that a run promises to make the same, by name."""
    folders = [out / "manifest", out / "shards", out / "features"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(out)): hash_file(path)
        for path in [*files, out / "account.json", out / "rejects.parquet"]
    }


def test_every_engine_gives_the_same_bytes(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = full_recipe(tmp_path / "raw")
    result = run_recipe(value, tmp_path / "serial", "serial")
    assert result.account.problems() == []
    assert {reason for count in result.account.stages for reason in count.reasons} == {
        "image_truncated",
        "file_empty",
        "not_a_video",
        "duplicate",
    }
    run_recipe(value, tmp_path / "local", "local", workers=3)
    run_recipe(value, tmp_path / "dask", "dask", workers=2)
    wanted = products(tmp_path / "serial")
    assert len(wanted) > 12
    assert products(tmp_path / "local") == wanted
    assert products(tmp_path / "dask") == wanted


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


def test_a_changed_record_rewrites_its_piece_and_reuses_the_rest(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modalmill.pipeline import sharding
    from modalmill.stages.shard import plan as shard_plan

    monkeypatch.setattr(shard_plan, "SAMPLES_PER_PIECE", 4)
    value = recipe(tmp_path / "raw", {"vqa": vqa_corpus(tmp_path / "raw", images=40, per_image=1)})
    run_recipe(value)
    written: list[int] = []
    real = sharding.PieceTask.run
    monkeypatch.setattr(
        sharding.PieceTask,
        "run",
        lambda self, beat, skip: written.append(len(self.piece.samples)) or real(self, beat, skip),
    )
    write(tmp_path / "raw" / "images" / "COCO_tiny2014_000000000007.jpg", jpeg(seed=777))
    run_recipe(value)
    assert len(written) == 1
    run_recipe(value, tmp_path / "fresh")
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


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.jpg", jpeg()[:-200], "image_truncated"),
        ("a.png", png()[:-20], "image_truncated"),
        ("a.png", png().replace(b"IDAT", b"IDAX"), "image_damaged"),
        ("a.jpg", b"", "file_empty"),
        ("a.jpg", b"hello", "not_an_image"),
        ("a.png", png()[:16] + (30_000).to_bytes(4, "big") * 2 + png()[24:], "image_too_large"),
        ("a.wav", wav()[:2000], "audio_truncated"),
        ("a.wav", b"", "file_empty"),
        ("a.mp4", mp4()[:900], "not_a_video"),
    ],
)
@pytest.mark.parametrize("measured", [True, False])
def test_damage_is_one_reject_with_a_reason_whether_measured_first_or_met_at_the_shard(
    tmp_path: Path,
    run_recipe: Callable[..., Result],
    name: str,
    data: bytes,
    rule: str,
    measured: bool,
) -> None:
    kind = {"jpg": "image", "png": "image", "wav": "audio", "mp4": "video"}[name.rpartition(".")[2]]
    write(tmp_path / "raw" / "m" / name, data)
    good = {
        "image": ("good.jpg", jpeg()),
        "audio": ("good.wav", wav()),
        "video": ("good.mp4", mp4()),
    }[kind]
    write(tmp_path / "raw" / "m" / good[0], good[1])
    source = {"type": f"{kind}_folder", "path": "m"} | ({"sound": ""} if kind == "video" else {})
    result = run_recipe(
        recipe(tmp_path / "raw", {"m": source}, [f"clean.{kind}"] if measured else [])
    )
    account = result.account.to_dict()
    assert account["adds_up"]
    assert account["rejects_by_reason"] == {
        f"{'clean.' + kind if measured else 'shard'}: {rule}": 1
    }
    assert result.shards is not None
    assert sum(shard.records for shard in result.shards.shards) == 1


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


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_piece_that_was_damaged_since_is_written_again(
    tmp_path: Path, run_recipe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Pieces are not synced: what a power failure leaves of them must not reach a tar."""
    value = full_recipe(tmp_path / "raw")
    run_recipe(value, tmp_path / "whole")

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sharding.Assembly, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run_recipe(value)
    pieces = sorted((tmp_path / "out" / "work" / "shard").glob("*.tar"))
    kept = {piece.name: piece.stat().st_mtime_ns for piece in pieces}
    assert len(kept) > 1
    data = bytearray(pieces[0].read_bytes())
    data[600] ^= 1
    pieces[0].write_bytes(data if damage == "flip" else data[:-700])
    written: list[str] = []
    real = sharding.PieceTask.run
    monkeypatch.setattr(
        sharding.PieceTask,
        "run",
        lambda task, *more: (written.append(task.path.name), real(task, *more))[1],
    )
    run_recipe(value)
    assert written == [pieces[0].stem]
    assert products(tmp_path / "out") == products(tmp_path / "whole")


def test_shards_of_other_records_are_told_and_not_verified(
    tmp_path: Path, run_recipe: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    value = full_recipe(tmp_path / "raw")
    out = tmp_path / "out"
    run_recipe(value)
    assert verify(out)[1] == []
    tars = {path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.tar")}
    changed = json.loads(json.dumps(value))
    changed["stages"][0] = {"align.require": {"any_of": ["image"]}}
    for stopped in ({"until": "manifest"}, {}):
        run_recipe(
            changed if stopped else {**changed, "shard": None}, progress=Progress(), **stopped
        )
        assert "shards in" in capsys.readouterr().err
        files, problems = verify(out)
        assert len(problems) == 1
        assert "is not the manifest that the shards were made from" in problems[0]
        assert {
            path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.tar")
        } == tars
    run_recipe(value)
    assert verify(out) == (files, [])


def test_a_changed_file_is_noticed_where_its_path_begins_with_a_field(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,l\n1,a\n2,b\n")
    for number in (1, 2):
        write(tmp_path / "raw" / f"{number}.jpg", jpeg(seed=number))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "targets": ["l"],
        "media": {"image": {"path": "{id}.jpg"}},
    }
    out = tmp_path / "raw" / "out"  # an output folder inside of the data is no part of them
    value = recipe(tmp_path / "raw", {"t": source})
    run_recipe(value, out)
    before = products(out)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "work" / "ingest").iterdir()}
    run_recipe(value, out)
    assert {path: path.stat().st_mtime_ns for path in (out / "work" / "ingest").iterdir()} == stamps
    write(tmp_path / "raw" / "1.jpg", jpeg(48, 80, seed=9))
    run_recipe(value, out)
    assert products(out) != before
    run_recipe(value, tmp_path / "fresh")
    assert products(tmp_path / "fresh") == products(out)
