"""What records have in common, pair by pair: the groups follow from it, and each pair is true."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from film_copies import film, speaker
from modalmill import cli
from modalmill.pipeline.duplicates import read_duplicates
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result, run
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import read_manifest
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.united import United
from PIL import Image
from tiny import recipe, write
from typer.testing import CliRunner

Run = Callable[..., Result]
WISH = "night has ended for another day and morning has come in a special way may you smile"


def corpus(root: Path) -> dict[str, Any]:
    """Pictures, sounds, films and texts, with pairs of every kind and some that have nothing in
    common.
    """
    random = np.random.default_rng(0)
    pictures = [
        Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1))
        for _ in range(4)
    ]
    for name, picture, quality in (
        ("a", pictures[0], 95),
        ("b", pictures[0], 60),
        ("c", pictures[0], 30),
        ("d", pictures[1], 95),
        ("e", pictures[2], 95),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, "jpeg", quality=quality)
        write(root / "img" / f"{name}.jpg", buffer.getvalue())
    write(root / "img" / "f.jpg", (root / "img" / "e.jpg").read_bytes())
    (root / "snd").mkdir()
    pieces = [
        np.convolve(random.normal(0, 0.05, 1600), random.normal(0, 1, 64), "same")
        for _ in range(40)
    ]
    for name, own in (("x", pieces[:20]), ("y", pieces[20:])):
        sound = np.concatenate(own).clip(-1, 1)
        soundfile.write(root / "snd" / f"{name}.wav", sound, 16_000)
        soundfile.write(root / "snd" / f"{name}2.mp3", sound, 16_000)
    for number, name in enumerate("vw"):
        film(root / "flm" / f"{name}.mp4", speaker(number), crf="18")
        film(root / "flm" / f"{name}2.avi", speaker(number)[20:], "mpeg4")
    lines = [
        "id,text,label",
        f"1,{WISH},ham",
        f"2,{WISH.upper()}!,ham",
        f"3,{WISH} like,spam",
        "4,nothing of that kind is said here today,ham",
        "5,nothing of that kind is said here today,ham",
    ]
    write(root / "t.csv", "\n".join(lines))
    return {
        "i": {"type": "image_folder", "path": "img", "id": "{stem}"},
        "s": {"type": "audio_folder", "path": "snd", "id": "{stem}"},
        "f": {"type": "video_folder", "path": "flm", "id": "{stem}"},
        "t": {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", "targets": ["label"]},
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("duplicates")
    stages = [{"clean.duplicates": {"near_texts": "group"}}]
    parsed = parse_recipe(recipe(root, corpus(root), stages, shard=None))
    run(make_plan(parsed, root), root / "out", "serial")
    return root / "out"


def pairs_in(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "duplicates.parquet").to_pylist()


def test_every_planted_pair_is_told_with_its_kind(found: Path) -> None:
    pairs = {(row["key"], row["other"]): row for row in pairs_in(found)}
    kinds = {pair: row["kind"] for pair, row in pairs.items()}
    alike = {pair for pair, kind in kinds.items() if kind == "look-alike"}
    # as many as it takes to connect three
    assert len(alike) == 2
    assert alike < {("i-b", "i-a"), ("i-c", "i-a"), ("i-c", "i-b")}
    assert {pair: kind for pair, kind in kinds.items() if pair not in alike} == {
        ("f-v2", "f-v"): "film",
        ("f-w2", "f-w"): "film",
        ("i-f", "i-e"): "content",
        ("s-x2", "s-x"): "recording",
        ("s-y2", "s-y"): "recording",
        ("t-2", "t-1"): "text",
        ("t-3", "t-1"): "near-text",
        ("t-5", "t-4"): "content",
    }
    assert {pair for pair, row in pairs.items() if row["merged"]} == {
        ("i-f", "i-e"),
        ("t-5", "t-4"),
    }
    # 17 words have 15 runs of three, and one more word makes one more of them
    assert pairs["t-3", "t-1"]["distance"] == pytest.approx(1 - 15 / 16)
    assert all(row["distance"] <= 8 for pair, row in pairs.items() if pair in alike)
    assert 0 < pairs["s-x2", "s-x"]["distance"] < 0.3
    assert 0 < pairs["f-v2", "f-v"]["distance"] < 0.25


def test_the_groups_of_the_manifest_are_what_the_pairs_connect(found: Path) -> None:
    manifest = read_manifest(found)
    groups = dict(zip(manifest["key"].to_pylist(), manifest["group"].to_pylist(), strict=True))
    keys = sorted(groups)
    united = United(len(keys))
    for row in pairs_in(found):
        if row["merged"]:
            assert row["key"] not in groups
        else:
            united.unite(keys.index(row["key"]), keys.index(row["other"]))
            assert groups[row["key"]] == groups[row["other"]] == row["set"]
    first = united.first()
    for one, key in enumerate(keys):
        for other, another in enumerate(keys):
            assert (groups[key] == groups[another]) == bool(first[one] == first[other])


def shown(*arguments: object) -> str:
    result = CliRunner().invoke(cli.app, ["duplicates", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_the_pairs_that_made_a_group(found: Path) -> None:
    assert "18 records in 8 sets, by 10 pairs" in shown(found)
    of_one = shown(found, "--of", "i-b")
    assert "3 records in 1 set, by 2 pairs" in of_one
    assert "look-alike" in of_one
    assert "recording" not in of_one
    rows = json.loads(shown(found, "--kind", "recording", "--json"))
    assert [(row["key"], row["other"]) for row in rows] == [("s-x2", "s-x"), ("s-y2", "s-y")]


@pytest.mark.parametrize(
    ("kind", "key", "told"),
    [
        ("", "i-q", "--of i-q: no other record was found to have anything in common"),
        (
            "",
            "x2",
            r"with a record of this key; did you mean 's-x2'\?; 'modalmill look' shows keys",
        ),
        ("look-alik", "", r"no pair is of this kind; did you mean 'look-alike'\?"),
    ],
)
def test_what_is_not_there_is_one_clear_error(found: Path, kind: str, key: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_duplicates(found, kind, key)


def test_a_run_that_finds_nothing_more_leaves_no_table_of_the_run_before(
    tmp_path: Path, run_recipe: Run
) -> None:
    sources, out = corpus(tmp_path), tmp_path / "out"
    stage = {"clean.duplicates": {"near_texts": "group"}}
    run_recipe(recipe(tmp_path, sources, [stage], shard=None), out)
    first = (out / "duplicates.parquet").read_bytes()
    run_recipe(recipe(tmp_path, sources, [stage, "align.split"], shard=None), out)
    assert (out / "duplicates.parquet").read_bytes() == first
    run_recipe(recipe(tmp_path, sources, ["align.split"], shard=None), out)
    assert not (out / "duplicates.parquet").exists()
    with pytest.raises(InputError, match=r"this run had no clean.duplicates, so nothing was"):
        read_duplicates(out)
    alone = {"t": sources["t"]}
    run_recipe(recipe(tmp_path, alone, [{"clean.duplicates": {"text_words": 20}}], shard=None), out)
    (out / "duplicates.parquet").unlink()
    with pytest.raises(InputError, match=r"wrote it, and it is gone; run the recipe again"):
        read_duplicates(out)
    (out / "duplicates.parquet").write_bytes(first[:100])
    with pytest.raises(InputError, match=r"duplicates.parquet: cannot be read \(.*run the recipe"):
        read_duplicates(out)
    write(tmp_path / "t.csv", "id,text,label\n1,one,a\n2,two,a\n")
    run_recipe(recipe(tmp_path, alone, ["clean.duplicates"], shard=None), out)
    assert "no records were found to have anything in common" in shown(out)
