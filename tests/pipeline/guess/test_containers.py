"""``modalmill init`` on data in containers: what it writes runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import commands
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from modalmill.pipeline.texts import read_account
from streams import tar
from tiny import jpeg, wav, write


def members(count: int, start: int = 0) -> list[tuple[str, bytes]]:
    found = []
    for number in range(start, start + count):
        kind = ["cat", "dog"][number % 2]
        found += [
            (f"{number:04d}.jpg", jpeg(seed=number)),
            (f"{number:04d}.txt", f"a picture of {kind} {number}".encode()),
            (f"{number:04d}.json", f'{{"label": "{kind}", "n": {number}}}'.encode()),
        ]
    return found


def made(folder: Path, out: Path) -> tuple[dict[str, Any], str]:
    """The recipe that init writes for a folder, and what it says."""
    done = commands.here("init", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    recipe: dict[str, Any] = yaml.safe_load(out.read_text())
    return recipe, done.stdout


def counts(recipe: Path) -> tuple[int, dict[str, int]]:
    """Records and splits after a run of the recipe as it is, as far as the shards."""
    out = recipe.parent / "run"
    words = ("--out", out, "--until", "shard", "--engine", "serial", "--quiet")
    done = commands.here("run", recipe, *words)
    assert done.returncode == 0, done.stderr
    account = read_account(out)
    return account.stages[-1].written, dict(account.stages[-1].splits)


def test_tars_of_others_are_a_source_with_what_their_members_say(tmp_path: Path) -> None:
    for split, start, count in (("train", 0, 8), ("val", 8, 4)):
        tar(tmp_path / "pets" / f"{split}-0000.tar", members(count, start))
    recipe, told = made(tmp_path / "pets", tmp_path / "r.yaml")
    assert recipe["sources"] == {
        "webdataset": {
            "type": "webdataset",
            "path": ".",
            "parts": {"image": "jpg", "text": "txt"},
            "targets": ["label"],
            "numbers": ["n"],
            "split": "{__split__}",
        }
    }
    assert recipe["train"]["target"] == "label"
    assert "passed over" not in told
    assert counts(tmp_path / "r.yaml") == (12, {"train": 8, "val": 4})


def test_tars_beside_others_are_sources_of_their_own(tmp_path: Path) -> None:
    tar(tmp_path / "d" / "pictures.tar", members(4))
    tar(tmp_path / "d" / "sounds" / "a.tar", [(f"{n}.wav", wav(300 + n)) for n in range(4)])
    tar(tmp_path / "d" / "odd" / "a.tar", [("a.bin", b"x"), ("b.exe", b"y")])
    write(tmp_path / "d" / "cut" / "a.tar", b"\0" * 600)
    recipe, told = made(tmp_path / "d", tmp_path / "r.yaml")
    paths = {one["path"]: list(one["parts"]) for one in recipe["sources"].values()}
    assert paths == {"*.tar": ["image", "text"], "sounds": ["audio"]}
    assert "odd/a.tar: no WebDataset tar with media or texts" in told
    assert "cut/a.tar: " in told


def test_our_own_shards_are_read_where_nothing_else_lies_there(tmp_path: Path) -> None:
    tar(tmp_path / "pets" / "train-0.tar", members(6))
    made(tmp_path / "pets", tmp_path / "r.yaml")
    counts(tmp_path / "r.yaml")
    recipe, _ = made(tmp_path / "run" / "shards", tmp_path / "r2.yaml")
    assert recipe["sources"] == {"webdataset": {"type": "webdataset", "path": "."}}
    (tmp_path / "run" / "shards").rename(tmp_path / "pets" / "out")
    recipe, told = made(tmp_path / "pets", tmp_path / "r3.yaml")
    assert [one["path"] for one in recipe["sources"].values()] == ["*.tar"]
    assert "shards that modalmill wrote, of what lies here perhaps" in told


def test_what_a_run_wrote_is_no_data_beside_what_it_was_made_of(tmp_path: Path) -> None:
    tar(tmp_path / "pets" / "train-0.tar", members(6))
    made(tmp_path / "pets", tmp_path / "r.yaml")
    counts(tmp_path / "r.yaml")
    recipe, told = made(tmp_path / "run", tmp_path / "r2.yaml")
    assert [one["path"] for one in recipe["sources"].values()] == ["shards"]
    assert "what a run wrote beside its shards" in told
    (tmp_path / "run").rename(tmp_path / "pets" / "out")
    recipe, told = made(tmp_path / "pets", tmp_path / "r3.yaml")
    assert [one["path"] for one in recipe["sources"].values()] == ["."]
    assert f"out: written by a run; 'modalmill init {tmp_path}/pets/out' reads its shards" in told
    (tmp_path / "pets" / "train-0.tar").unlink()
    done = commands.here("init", tmp_path / "pets", "--out", tmp_path / "r4.yaml")
    assert done.returncode != 0
    assert "out: written by a run" in done.stderr


def test_a_hugging_face_folder_is_a_source(tmp_path: Path) -> None:
    for split, count in (("train", 8), ("validation", 4)):
        table = pa.table(
            {
                "image": [{"bytes": jpeg(seed=n), "path": f"{n}.jpg"} for n in range(count)],
                "kind": ["ab"[n % 2] for n in range(count)],
                "caption": [f"a picture of number {n}" for n in range(count)],
            }
        )
        path = tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    write(tmp_path / "hub" / "README.md", "a card")
    recipe, _ = made(tmp_path / "hub", tmp_path / "r.yaml")
    assert recipe["sources"] == {
        "huggingface": {
            "type": "huggingface",
            "path": "data",
            "media": {"image": {"path": "{image}", "modality": "image"}},
            "text": {"caption": "caption"},
            "targets": ["kind"],
            "split": "{__split__}",
        }
    }
    assert recipe["train"]["val_split"] == "validation"
    assert counts(tmp_path / "r.yaml") == (12, {"train": 8, "validation": 4})


def test_plan_counts_the_samples_of_tars(tmp_path: Path) -> None:
    tar(tmp_path / "train.tar", members(5))
    write(
        tmp_path / "r.yaml",
        "name: t\ndata: .\nshard: null\nsources: {web: {type: webdataset, path: train.tar}}\n",
    )
    told = commands.here("plan", "r.yaml", cwd=tmp_path).stdout
    assert any(line.split()[:2] == ["web", "5"] for line in told.splitlines())
    assert "parts guessed from the endings of members: image (.jpg), text (.txt)" in told
