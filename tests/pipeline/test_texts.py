"""What is passed over, taken otherwise or lacking is told; and a run that keeps nothing is an
error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from modalmill.pipeline.run import Result
from modalmill.pipeline.texts import account_text, read_account, read_rejects
from modalmill.schemas.errors import InputError, ToleranceError
from tiny import csv_source, jpeg, recipe, wav, write

Run = Callable[..., Result]


def manifest(out: Path) -> list[dict[str, object]]:
    return pq.read_table(out / "manifest").to_pylist()


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_a_part_that_is_taken_away_is_told_with_its_rule(
    tmp_path: Path, run_recipe: Run, modality: str
) -> None:
    for number in range(3):
        write(tmp_path / "img" / f"{number}.jpg", jpeg(20 + 40 * number, 100))
        write(tmp_path / "snd" / f"{number}.wav", wav(seconds=0.2 + 0.5 * number))
    write(tmp_path / "t.csv", "id,text\n0,short\n1,two words\n2,three words here\n")
    media = {"image": {"path": "img/{id}.jpg"}, "audio": {"path": "snd/{id}.wav"}}
    source = csv_source("text", media=media)
    rule = {"image": {"min_side": 50}, "audio": {"min_seconds": 0.5}, "text": {"min_words": 2}}[
        modality
    ]
    result = run_recipe(
        recipe(tmp_path, {"s": source}, [{f"clean.{modality}": {**rule, "on_fault": "drop_part"}}])
    )
    (row,) = read_rejects(tmp_path / "out")
    option, threshold = next(iter(rule.items()))
    assert (row["key"], row["fate"], row["stage"], float(row["threshold"])) == (
        "s-0",
        "dropped",
        f"clean.{modality}",
        threshold,
    )
    assert option in row["message"]
    assert float(row["value"]) < threshold
    assert len(manifest(tmp_path / "out")) == 3
    assert not result.account.problems()
    assert f"parts taken away: {row['rule']}" in account_text(read_account(tmp_path / "out"))


def test_an_empty_result_is_an_error_that_names_the_first_cause(
    tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "img" / "other.jpg", jpeg())
    write(
        tmp_path / "t.csv",
        "id,file\n" + "".join(f"{number},gone{number}.jpg\n" for number in range(4)),
    )
    media = {"image": {"path": "img/{file}", "unlisted": "ignore"}}
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}
    told = (
        r"align.require: nothing is left of 4 \(4 no image\); the first: t.csv, row 2: "
        r"img/gone0.jpg is not there; look at them with"
    )
    with pytest.raises(InputError, match=told):
        run_recipe(
            recipe(
                tmp_path, {"s": source}, [{"align.require": {"parts": ["image"]}}], tolerance=1.0
            )
        )
    # each row without its file, and each record without its part
    assert len(read_rejects(tmp_path / "out")) == 8


def test_of_a_part_that_a_join_did_not_bring_the_partner_is_named(
    tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "a.csv", "id,q\n1,one\n2,two\n3,three\n")
    write(tmp_path / "b.csv", "id,cap\n1,uno\n")
    sources = {
        name: {"type": "csv", "path": f"{name}.csv", "id": "{id}", "text": {part: part}}
        for name, part in (("a", "q"), ("b", "cap"))
    }
    stages = [{"align.join": {"sources": ["a", "b"]}}, {"align.require": {"parts": ["cap"]}}]
    told = (
        r"2 of 3 were left out .*; the first: a.csv, row 3: the part cap is required and not there"
        r" \(no record of b has the join value '2'\); look at them"
    )
    with pytest.raises(ToleranceError, match=told):
        run_recipe(recipe(tmp_path, sources, stages, tolerance=0.5))


def test_what_is_missing_counts_for_the_tolerance(tmp_path: Path, run_recipe: Run) -> None:
    write(tmp_path / "t.csv", "id,label\n1,\n2,\n3,x\n")
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "targets": ["label"]}
    value = recipe(tmp_path, {"s": source}, [{"align.require": {"targets": ["label"]}}], shard=None)
    with pytest.raises(
        ToleranceError,
        match=r"align.require: 2 of 3 were left out \(2 no target label\), more than the tolerance "
        r"of 50%",
    ):
        run_recipe(value)
    run_recipe(value | {"tolerance": 0.7})


def test_files_and_folders_that_are_passed_over_are_told(tmp_path: Path, run_recipe: Run) -> None:
    for place in (
        "photos/cats/a.jpg",
        "photos/cats/b.JFIF",
        "photos/cats/c.jpe",
        "store/d.jpg",
        "photos/cats/e.psd",
        "photos/readme.txt",
        "photos/.hidden.jpg",
    ):
        write(tmp_path / place, jpeg(seed=len(place)))
    write(tmp_path.parent / f"{tmp_path.name}-outside" / "x.jpg", jpeg())
    os.symlink(tmp_path / "store", tmp_path / "photos" / "dogs")
    os.symlink(tmp_path.parent / f"{tmp_path.name}-outside", tmp_path / "photos" / "birds")
    os.symlink(tmp_path / "photos", tmp_path / "photos" / "cats" / "again")
    result = run_recipe(
        recipe(
            tmp_path,
            {"s": {"type": "image_folder", "path": "photos", "targets": {"label": "folder"}}},
            shard=None,
        )
    )
    assert sorted(
        json.loads(str(row["targets"]))["label"] for row in manifest(tmp_path / "out")
    ) == ["cats", "cats", "cats", "dogs"]
    assert {(row["origin"]["file"], row["rule"]) for row in read_rejects(tmp_path / "out")} == {
        ("photos/birds", "path_outside_root"),
        ("photos/cats/again", "link_in_a_circle"),
    }
    text = account_text(result.account)
    assert "s: passed over in photos: files of .psd" in text
    assert "s: passed over in photos: files of .txt" in text


def test_a_source_that_reads_nothing_and_a_split_that_stays_empty_are_told(
    tmp_path: Path, run_recipe: Run
) -> None:
    for number in range(6):
        write(tmp_path / "img" / f"{number}.jpg", jpeg(seed=number))
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "a.ass", "x")
    sources = {
        "s": {"type": "image_folder", "path": "img", "split": "train"},
        "words": {"type": "timed_text", "path": "sub"},
    }
    result = run_recipe(
        recipe(tmp_path, sources, [{"align.split": {"shares": {"train": 0.5, "test": 0.5}}}])
    )
    text = account_text(result.account)
    assert "words: nothing at all was read; check its path" in text
    assert "words: passed over in sub: files of .ass" in text
    assert "align.split: no record is in the split 'test'" in text
    assert "splits after shard: 6 train" in text


def test_an_empty_split_is_told_where_it_was_emptied(tmp_path: Path, run_recipe: Run) -> None:
    lines = ["id,split,n", *(f"k{n},{'train' if n else 'val'},{n}" for n in range(8))]
    write(tmp_path / "t.csv", "\n".join(lines))
    source = {
        "type": "csv", "path": "t.csv", "id": "{id}", "split": "{split}", "numbers": {"n": "n"}
    }  # fmt: skip
    takes_val, takes_none = ({"clean.rules": {"rules": {"n": f">= {least}"}}} for least in (1, 0))
    made = {"align.split": {"shares": {"train": 1.0, "val": 0.0, "test": 1e-9}}}

    def told(*stages: dict[str, Any]) -> list[str]:
        account = run_recipe(recipe(tmp_path, {"s": source}, list(stages), shard=None)).account
        return [
            f"{count.name}: {note}"
            for count in [*account.sources, *account.stages]
            for note in count.notes
            if "no record is in" in note
        ]

    no_test = "align.split: no record is in the split 'test'"
    assert told(made, takes_none) == [no_test]
    assert told(takes_none, made, takes_none) == [no_test]
    train = {"align.split": {"shares": {"train": 1.0, "val": 1e-9}}}
    assert told(takes_none, train, takes_val, takes_none) == [
        "clean.rules#2: no record is in the split 'val'"
    ]
    assert told(takes_val, train) == ["clean.rules: no record is in the split 'val'"]
    source["split"] = "train"
    nothing = {"type": "text_folder", "path": "none", "split": "test"}
    (tmp_path / "none").mkdir()
    account = run_recipe(recipe(tmp_path, {"s": source, "more": nothing}, shard=None)).account
    assert "no record is in the split 'test'" in account.sources[1].notes


def test_a_part_that_a_split_lacks_and_frames_that_come_again_are_told(
    tmp_path: Path, run_recipe: Run
) -> None:
    from tiny import mp4

    write(tmp_path / "v" / "train" / "a.mp4", mp4(frames=3, fps=10))
    write(tmp_path / "v" / "test" / "b.mp4", mp4(frames=9, fps=10, sound=False))
    source = {"type": "video_folder", "path": "v", "sound": "voice", "split": "{folder}"}
    text = account_text(
        run_recipe(recipe(tmp_path, {"s": source}, shard={"video_frames": 8})).account
    )
    assert "shard: no record of the split 'test' has the part 'voice'" in text
    assert (
        "shard: films of fewer frames than video_frames, some of which are there more than once"
        in text
    )


def test_images_of_two_sources_are_one_group_where_the_recipe_says_so_and_are_told_where_not(
    tmp_path: Path, run_recipe: Run
) -> None:
    for name in ("a", "b"):
        write(
            tmp_path / f"{name}.csv",
            "id,image\n" + "".join(f"{number},i{number % 3}\n" for number in range(6)),
        )
    sources = {
        name: {"type": "csv", "path": f"{name}.csv", "id": "{id}", "group": "{image}"}
        for name in ("a", "b")
    }
    text = account_text(
        run_recipe(recipe(tmp_path, sources, shard=None), tmp_path / "apart").account
    )
    assert (
        "3  b: groups that are called like groups of a, and are others; give both sources one"
        " group_kind" in text
    )
    assert len({row["group"] for row in manifest(tmp_path / "apart")}) == 6
    together = {name: {**options, "group_kind": "image"} for name, options in sources.items()}
    text = account_text(
        run_recipe(recipe(tmp_path, together, shard=None), tmp_path / "one").account
    )
    assert "group_kind" not in text
    assert len({row["group"] for row in manifest(tmp_path / "one")}) == 3


def test_questions_about_pictures_that_are_not_there_are_no_duplicates(
    tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "img" / "3.jpg", jpeg())
    write(
        tmp_path / "t.csv",
        "id,file,text\n"
        + "".join(f"{number},{number}.jpg,what is it?\n" for number in range(3))
        + "9,,what is it?\n8,,what is it?\n",
    )
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"t": "text"},
        "media": {"image": {"path": "img/{file}"}},
    }
    run_recipe(recipe(tmp_path, {"s": source}, ["clean.duplicates"], shard=None))
    kept = {row["key"] for row in manifest(tmp_path / "out")}
    assert {"s-0", "s-1", "s-2", "s-8"} <= kept  # of 8 and 9, which name no picture, one is enough
    assert "s-9" not in kept
