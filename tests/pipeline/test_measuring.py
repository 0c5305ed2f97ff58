"""Whatever a decoder raises costs its own file, in every task; and so does a decoder that brings
its worker down.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from films import write_film
from modalmill.pipeline.run import Result
from modalmill.stages.media import audio, image, video
from tiny import jpeg, mp4, png, recipe, wav, write

ERRORS = [
    ValueError("bad"),
    RuntimeError("bad"),
    AttributeError("bad"),
    KeyError("bad"),
    OSError("bad"),
    IndexError(),
    ZeroDivisionError(),
    UnicodeError("bad"),
]
SOURCES: dict[str, Any] = {
    "image": ({"type": "image_folder", "path": "files", "id": "{stem}"}, image, "size"),
    "audio": ({"type": "audio_folder", "path": "files", "id": "{stem}"}, audio, "check_sound"),
    "video": (
        {"type": "video_folder", "path": "files", "id": "{stem}", "sound": ""},
        video,
        "zero_of",
    ),
}


@pytest.mark.parametrize(
    ("modality", "where"),
    [
        *((modality, where) for modality in SOURCES for where in ("measured", "features")),
        ("image", "sharded"),
    ],
)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_exception_of_a_decoder_is_a_reject(
    tmp_path: Path,
    run_recipe: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    modality: str,
    where: str,
    error: Exception,
) -> None:
    source, module, function = SOURCES[modality]
    ending = {"image": "png", "audio": "wav", "video": "mp4"}[modality]
    for number in range(2):
        data = (
            png(seed=number)
            if modality == "image"
            else wav(300.0 + number)
            if modality == "audio"
            else mp4(frames=8 + number, sound=False)
        )
        write(tmp_path / "files" / f"{number}.{ending}", data)
    real, calls = getattr(module, function), []

    def raises(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(module, function, raises)
    more: dict[str, Any] = {
        "shard": {"image_short_side": 32, "sample_rate_hz": 4000},
        "tolerance": 1.0,
    }
    if where == "measured":
        result = run_recipe(recipe(tmp_path, {"s": source}, [{f"clean.{modality}": {}}], **more))
        assert result.account.stages[0].rejected == 1
    # where pictures are seen for the first time; sound and films have been measured
    elif where == "sharded":
        result = run_recipe(recipe(tmp_path, {"s": source}, **more))
        assert result.account.stages[-1].rejected == 1
    elif where == "features":
        run_recipe(
            recipe(tmp_path, {"s": source}, **more, features={modality: f"features.{modality}"})
        )
    assert calls


def test_files_that_no_decoder_understands_cost_themselves(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    """An unknown codec; samples beyond what features hold."""
    good = mp4(frames=10, fps=10, codec="libx264")
    write(tmp_path / "v" / "good.mp4", good)
    write(tmp_path / "v" / "codec.mp4", good.replace(b"avc1", b"avz1"))
    soundfile.write(tmp_path / "loud.wav", np.full(8000, 1e30, np.float32), 8000, subtype="FLOAT")
    write(tmp_path / "a" / "loud.wav", (tmp_path / "loud.wav").read_bytes())
    write(tmp_path / "a" / "good.wav", wav())
    sources = {
        "v": {"type": "video_folder", "path": "v", "id": "{stem}", "sound": "voice"},
        "a": {"type": "audio_folder", "path": "a", "id": "{stem}"},
    }
    stages = [{"clean.video": {}}, {"clean.audio": {"on_fault": "drop_part"}}]
    result = run_recipe(
        recipe(
            tmp_path,
            sources,
            stages,
            features={"audio": "features.audio", "video": "features.video"},
            tolerance=1.0,
        )
    )
    kept = {
        row["key"]: [part["name"] for part in row["parts"]]
        for row in pq.read_table(tmp_path / "out" / "manifest").to_pylist()
    }
    assert kept["v-good"] == ["video", "voice"]
    assert "v-codec" not in kept
    assert result.shards is not None


def test_a_killed_worker_changes_no_byte(tmp_path: Path) -> None:
    """SIGKILL at random moments, as the kernel does when memory runs out: same bytes, no file is
    blamed.
    """
    (tmp_path / "v").mkdir()
    for number in range(6):
        write_film(tmp_path / "v" / f"{number}.mp4", seconds=3.0 + number / 7)
    write(
        tmp_path / "r.yaml",
        yaml.safe_dump(
            recipe(
                tmp_path,
                {"s": {"type": "video_folder", "path": "v", "sound": "voice"}},
                ["clean.video", "clean.audio"],
            )
        ),
    )

    def run(out: Path, kills: int) -> dict[str, bytes]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "modalmill",
                "run",
                str(tmp_path / "r.yaml"),
                "--out",
                str(out),
                "--workers",
                "2",
                "--quiet",
            ]
        )
        rng = np.random.default_rng(kills)
        while kills and process.poll() is None:
            time.sleep(float(rng.uniform(0.3, 0.8)))
            children = [
                child for child in psutil.Process(process.pid).children() if process.poll() is None
            ]
            if children:
                os.kill(children[int(rng.integers(len(children)))].pid, 9)
                kills -= 1
        assert process.wait(120) == 0
        return {
            str(path.relative_to(out)): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file() and "work" not in path.parts
        }

    assert run(tmp_path / "a", 0) == run(tmp_path / "b", 6)


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
