"""Leaks between splits and between sets: every planted pair is told, and nothing of a clean set."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from film_copies import film, speaker
from modalmill import cli
from modalmill.pipeline.leaks import find_leaks
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, IntegrityError
from PIL import Image
from tiny import recipe, write
from typer.testing import CliRunner

Run = Callable[..., Result]


def picture(seed: int, quality: int = 95, side: int = 96) -> bytes:
    random = np.random.default_rng(seed)
    tiles = random.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    buffer = io.BytesIO()
    Image.fromarray(tiles).resize((side, side)).save(buffer, "jpeg", quality=quality)
    return buffer.getvalue()


def sound(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    pieces = [
        np.convolve(random.normal(0, 0.05, 1600), random.normal(0, 1, 64), "same")
        for _ in range(20)
    ]
    return np.concatenate(pieces).clip(-1, 1)


def corpus(root: Path, planted: bool) -> dict[str, Any]:
    """Twelve records of each kind in two splits and four films, with a long text in each of them,
    and if wanted a pair of every kind across them.
    """
    (root / "m").mkdir(parents=True)
    images, sounds, films, texts = (["id,file,group,split"] for _ in range(4))
    for number in range(4):
        film(root / "m" / f"{number}.mp4", speaker(number), crf="18")
        films.append(f"f{number},{number}.mp4,gf{number},{('train', 'test')[number % 2]}")
    for number in range(12):
        split = ("train", "test")[number % 2]
        write(root / "m" / f"{number}.jpg", picture(number))
        soundfile.write(root / "m" / f"{number}.wav", sound(number), 16_000)
        images.append(f"i{number},{number}.jpg,gi{number},{split}")
        sounds.append(f"s{number},{number}.wav,gs{number},{split}")
        texts.append(f"t{number},this is text number {number} of twelve,gt{number},{split}")
    long = "it was the best of times it was the worst of times it was the age of wisdom"
    texts += [f"long,{long},gl,train", f"other,{long[::-1]} and so on and on,go,test"]
    if planted:
        texts.append(f"near,{long.title()} then,gn,test")
        write(root / "m" / "same.jpg", picture(0))
        write(root / "m" / "alike.jpg", picture(2, quality=80))
        soundfile.write(root / "m" / "alike.mp3", sound(4), 16_000)
        images += ["same,same.jpg,g1,test", "alike,alike.jpg,g2,test", "grouped,11.jpg,gi0,test"]
        sounds.append("alike,alike.mp3,g3,test")
        film(root / "m" / "alike.avi", speaker(2), "mpeg4", qmin="4", qmax="4")
        films.append("alike,alike.avi,g5,test")
        texts.append("same,This is TEXT number 6 of twelve!,g4,test")
    for name, lines in (("i", images), ("s", sounds), ("f", films), ("t", texts)):
        write(root / f"{name}.csv", "\n".join(lines))

    def source(name: str, **more: Any) -> dict[str, Any]:
        own = {"type": "csv", "path": f"{name}.csv", "id": "{id}"}
        return {**own, "group": "{group}", "split": "{split}", **more}

    return {
        "pictures": source("i", media={"image": {"path": "m/{file}", "unlisted": "ignore"}}),
        "sounds": source("s", media={"voice": {"path": "m/{file}", "unlisted": "ignore"}}),
        "films": source("f", media={"video": {"path": "m/{file}", "unlisted": "ignore"}}),
        "texts": source("t", text={"note": "file"}),
    }


def leaks(*arguments: Any) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(cli.app, ["leaks", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_clean_set_has_none(tmp_path: Path, run_recipe: Run) -> None:
    run_recipe(recipe(tmp_path, corpus(tmp_path, planted=False)))
    code, found = leaks(tmp_path / "out")
    assert (code, set(found["leaks"].values())) == (0, {0})
    assert found["looked_at"] == {"media": 28, "texts": 14, "groups": 42}


def test_every_planted_pair_is_found_and_no_other(tmp_path: Path, run_recipe: Run) -> None:
    run_recipe(recipe(tmp_path, corpus(tmp_path, planted=True)))
    code, found = leaks(tmp_path / "out" / "shards")
    assert code == 1
    pairs = {
        (pair["kind"], *sorted(pair[side]["key"].partition("-")[2] for side in ("one", "other")))
        for pair in found["pairs"]
    }
    assert pairs == {
        ("bytes", "i0", "same"),
        ("look-alike", "alike", "i2"),
        ("look-alike", "alike", "s4"),
        ("look-alike", "alike", "f2"),
        ("text", "same", "t6"),
        ("near-text", "long", "near"),
        ("group", "grouped", "i0"),
    }
    assert found["records"] == {"test": 7, "train": 6}


def test_two_sets_are_compared_with_each_other_and_not_with_themselves(
    tmp_path: Path, run_recipe: Run
) -> None:
    for name, planted in (("a", False), ("b", True)):
        sources = corpus(tmp_path / name, planted)
        run_recipe(recipe(tmp_path / name, sources), tmp_path / name / "out")
    sets = [tmp_path / name / "out" for name in "ab"]
    found = find_leaks(sets, 5, lambda done, total: None)
    assert len(found.pairs["bytes"]) == 30  # a picture of ours stands for three records there
    assert len(found.pairs["text"]) == 15
    # of a text that has the same words over there too, the near one is told beside it
    assert [(one.key, other.key) for one, other in found.pairs["near-text"]] == [
        ("texts-long", "texts-near")
    ]
    for pairs in found.pairs.values():
        assert all(one.side != other.side for one, other in pairs)
    with pytest.raises(InputError, match="the same set twice"):
        find_leaks([sets[0], sets[0] / "shards"], 5, lambda done, total: None)


def test_texts_without_spaces_are_counted_by_their_characters(
    tmp_path: Path, run_recipe: Run
) -> None:
    dog = "\u56fe\u7247\u4e2d\u7684\u72d7"
    lines = ["id,text,split", f"a,{dog},train", f"b,{dog}\u3002,test"]
    write(tmp_path / "t.csv", "\n".join([*lines, "c,a dog,train", "d,a dog,test"]))
    own = {"type": "csv", "path": "t.csv", "id": "{id}", "text": "text", "split": "{split}"}
    run_recipe(recipe(tmp_path, {"t": own}))
    found = leaks(tmp_path / "out")[1]
    assert [pair["one"]["key"] + pair["other"]["key"] for pair in found["pairs"]] == ["t-bt-a"]


def test_a_tar_shorter_than_its_index_is_no_clean_set(tmp_path: Path, run_recipe: Run) -> None:
    run_recipe(recipe(tmp_path, corpus(tmp_path, planted=False)))
    tar = next((tmp_path / "out" / "shards").glob("train-*.tar"))
    os.truncate(tar, tar.stat().st_size // 2)
    with pytest.raises(IntegrityError, match="is shorter than its index says"):
        find_leaks([tmp_path / "out"], 5, lambda done, total: None)


def test_people_read_the_kinds_the_pairs_and_what_was_compared(
    tmp_path: Path, run_recipe: Run
) -> None:
    run_recipe(recipe(tmp_path, corpus(tmp_path, planted=True)))
    result = CliRunner().invoke(cli.app, ["leaks", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "1  text        records of texts alone that have the same words" in result.stdout
    assert "test: texts-same = train: texts-t6" in result.stdout
    assert "records with a partner on another side: 7 of test, 6 of train" in result.stdout


def test_how_near_texts_are_told_is_asked_for(tmp_path: Path, run_recipe: Run) -> None:
    run_recipe(recipe(tmp_path, corpus(tmp_path, planted=True)))
    for words, wanted in (("0", 0), ("0.8", 1), ("1", 0)):
        found = leaks(tmp_path / "out", "--similarity", words)[1]
        assert found["leaks"]["near-text"] == wanted
    with pytest.raises(InputError, match=r"--similarity: wanted 0, or a share in \[0.5, 1\]"):
        find_leaks([tmp_path / "out"], 5, lambda done, total: None, 0.3)
