"""Shards are ordinary WebDataset tars that other readers open, and their index says where
everything lies.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.run import Result
from modalmill.pipeline.verify import verify
from modalmill.schemas.disk import read_table
from modalmill.schemas.fingerprint import hash_bytes
from modalmill.schemas.index import read_shard_set
from modalmill.stages.shard.tar import END, header, padding
from tiny import csv_source, mp4, recipe, vqa_corpus, wav, write


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_-]{1,60}\.[a-z.]{1,20}", fullmatch=True),
        st.binary(max_size=1500),
        max_size=5,
    )
)
def test_our_members_are_read_by_the_standard_library(members: dict[str, bytes]) -> None:
    data = (
        b"".join(
            header(name, len(value)) + value + padding(len(value))
            for name, value in members.items()
        )
        + END
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert all(
            member.mtime == 1_000_000_000 and member.uid == 512 and not member.pax_headers
            for member in tar
        )
    assert found == members


def corpus(root: Path) -> dict[str, object]:
    write(root / "clips" / "a.mp4", mp4())
    write(root / "clips" / "b.mp4", mp4(sound=False))
    write(root / "sounds" / "s.wav", wav())
    return {
        "vqa": vqa_corpus(root, images=5, per_image=3),
        "clips": {"type": "video_folder", "path": "clips", "sound": "voice"},
        "sounds": {"type": "audio_folder", "path": "sounds", "targets": {"label": "{stem}"}},
    }


def test_stock_webdataset_gnu_tar_and_the_index_agree(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    result = run_recipe(recipe(tmp_path, corpus(tmp_path)))
    shards = read_shard_set(tmp_path / "out")
    paths = [tmp_path / "out" / "shards" / f"{shard.name}.tar" for shard in shards.shards]
    samples = {
        sample["__key__"]: sample
        for path in paths
        for sample in webdataset.WebDataset(str(path), shardshuffle=False)
    }
    assert (
        len(samples) == result.account.to_dict()["stages"]["shard"]["kinds"]["samples"] == 5 + 2 + 1
    )
    listed = subprocess.run(
        ["tar", "tf", *map(str, paths)], capture_output=True, text=True, check=True
    ).stdout.split()
    indexed = {}
    for path in paths:
        for row in read_table(path.with_suffix(".arrow")).to_pylist():
            for member in [*row["media"], *row["others"]]:
                data = path.read_bytes()[member["offset"] : member["offset"] + member["size"]]
                assert hash_bytes(data) == member["xxh3"]
                indexed[member["name"]] = data
                key, _, ending = member["name"].partition(".")
                assert samples[key][ending] == data
    assert sorted(indexed) == sorted(listed)
    shared = json.loads(samples["vqa-1"]["json"])
    assert [record["texts"]["question"] for record in shared["records"]] == [
        f"What is number {place} of 1?" for place in range(3)
    ]
    # Two parts are sounds, so both are called by name in every sample; several questions share a
    # picture, so texts are in the json of every sample.
    assert {"mp4", "voice.flac", "json", "__key__", "__url__", "__local_path__"} >= set(
        samples["clips-a"]
    )
    assert "voice.flac" not in samples["clips-b"]
    assert not any(ending.endswith("txt") for sample in samples.values() for ending in sample)


@pytest.mark.parametrize("per_image", [1, 3])
def test_hugging_face_datasets_reads_every_column_and_every_record(
    tmp_path: Path, run_recipe: Callable[..., Result], per_image: int
) -> None:
    """Also where the first samples lack parts that others have, and whether pictures are shared or
    not.
    """
    import datasets

    write(tmp_path / "words.csv", "id,caption,note\n1,a caption,\n2,,a note\n3,both,of them\n")
    words = {
        "type": "csv",
        "path": "words.csv",
        "id": "{id}",
        "text": {"caption": "caption", "note": "note"},
    }
    sources = corpus(tmp_path) | {
        "vqa": vqa_corpus(tmp_path, images=4, per_image=per_image),
        "words": words,
    }
    result = run_recipe(recipe(tmp_path, sources))
    found = datasets.load_dataset(
        str(tmp_path / "out" / "shards"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
        streaming=True,
    ).decode(False)
    rows = {row["__key__"]: row for row in found}
    stages = result.account.to_dict()["stages"]
    assert len(rows) == stages["shard"]["kinds"]["samples"]
    written = {
        row["key"]: row
        for path in (tmp_path / "out" / "shards").glob("*.arrow")
        for row in read_table(path).to_pylist()
    }
    seen = {}
    for row in rows.values():
        for record in row["json"]["records"] if per_image > 1 else [row["json"]]:
            seen[record["key"]] = (row, record)
    assert seen.keys() == written.keys()
    for key, wanted in written.items():
        row, record = seen[key]
        for member in wanted["media"]:
            ending = member["name"].partition(".")[2]
            data = row[ending]["bytes"] if member["modality"] == "image" else row[ending]
            assert len(data) == member["size"]
        for text in wanted["texts"]:
            assert text["text"] == (
                record["texts"][text["part"]] if per_image > 1 else row[f"{text['part']}.txt"]
            )
        targets = json.loads(wanted["targets"])
        assert {
            name: value for name, value in record["targets"].items() if value is not None
        } == targets


def test_media_that_fit_are_copied_byte_for_byte(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    run_recipe(recipe(tmp_path, {"vqa": vqa_corpus(tmp_path, images=2, per_image=1)}))
    with tarfile.open(tmp_path / "out" / "shards" / "all-000000.tar") as tar:
        assert (
            tar.extractfile("vqa-1000.jpg").read()
            == (tmp_path / "images" / "COCO_tiny2014_000000000001.jpg").read_bytes()
        )  # type: ignore[union-attr]
        assert tar.extractfile("vqa-1000.txt").read() == b"What is number 0 of 1?"  # type: ignore[union-attr]


def test_verify_names_the_damaged_member(tmp_path: Path, run_recipe: Callable[..., Result]) -> None:
    run_recipe(recipe(tmp_path, {"vqa": vqa_corpus(tmp_path, images=3, per_image=1)}))
    assert verify(tmp_path / "out") == (4, [])
    path = tmp_path / "out" / "shards" / "all-000000.tar"
    data = bytearray(path.read_bytes())
    row = read_table(path.with_suffix(".arrow")).to_pylist()[1]
    data[row["media"][0]["offset"] + 5] ^= 1
    path.write_bytes(bytes(data))
    problems = verify(tmp_path / "out")[1]
    assert len(problems) == 1
    assert row["media"][0]["name"] in problems[0]


def test_a_damaged_shard_is_written_anew_by_the_next_run(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    value = recipe(tmp_path, {"vqa": vqa_corpus(tmp_path, images=3, per_image=1)})
    run_recipe(value)
    path = tmp_path / "out" / "shards" / "all-000000.tar"
    good = path.read_bytes()
    path.write_bytes(good[:1000])
    run_recipe(value)
    assert path.read_bytes() == good


def test_hugging_face_datasets_reads_splits_beside_records_of_none(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    import datasets

    write(tmp_path / "t.csv", "id,note,split\n1,one,train\n2,two,test\n3,three,\n4,four,train\n")
    run_recipe(recipe(tmp_path, {"t": csv_source("note", split="{split}")}))
    place, cache = str(tmp_path / "out" / "shards"), str(tmp_path / "cache")
    found = datasets.load_dataset(place, cache_dir=cache)
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 2,
        "test": 1,
        "without_split": 1,
    }
