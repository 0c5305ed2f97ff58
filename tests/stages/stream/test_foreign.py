"""Tars that others wrote are read whole, in whatever order their members lie, or reported; ours are read by others."""

from __future__ import annotations

import io
import os
import random
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import InputError, IntegrityError
from modalmill.stages import stream
from modalmill.stages.stream.files import LocalFile
from modalmill.stages.stream.tars import members
from streams import samples, tar
from tiny import jpeg, wav, write


def read(shards: Any, **options: Any) -> dict[str, Any]:
    """Key -> caption, first bytes of the image, targets."""
    parts = {"image": stream.BytesSpec(), "text": stream.TextSpec(), "json": stream.JsonSpec()}
    found = {}
    for batch in stream.open(shards, parts=parts, drop_last=False, **options):
        for key, image, text, about, target in zip(
            batch.keys, batch.lists["image"], batch.lists["text"], batch.lists["json"], batch.targets(), strict=True
        ):
            found[key] = (text, image, about, target)
    return found


def test_image_text_pairs_with_json_as_img2dataset_writes_them(tmp_path: Path) -> None:
    for number in range(3):
        tar(tmp_path / f"{number:05d}.tar", samples(5, 5 * number))
    found = read(tmp_path)
    assert sorted(found) == [f"{number:05d}" for number in range(15)]
    for key, (text, image, about, target) in found.items():
        number = int(key)
        assert (text, image) == (f"picture {number}", jpeg(seed=number))
        assert about["nested"] == {"a": 1}
        assert target == {"caption": f"picture {number}", "width": 64, "cls": number}
    assert sorted(path.name for path in tmp_path.glob("*.arrow")) == [f"{number:05d}.tar.arrow" for number in range(3)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    long = "d" * 90 + "/" + "k" * 60
    names = [(f"{long}{number}.jpg", jpeg(seed=number)) for number in range(3)]
    if form == tarfile.PAX_FORMAT:
        names.append(("größe.jpg", jpeg(seed=9)))
    path = tar(tmp_path / "a.tar", names, form)
    assert [(one.name, one.size) for one in members(LocalFile(str(path)))] == [(name, len(data)) for name, data in names]
    keys = {key for batch in stream.open(path, parts={"image": stream.BytesSpec()}, drop_last=False) for key in batch.keys}
    assert keys == {name.rpartition(".")[0] for name, _ in names}


@given(st.randoms(use_true_random=False))
def test_the_reader_finds_what_tarfile_finds(mixer: random.Random) -> None:
    import tempfile

    form = mixer.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    files = [(f"{'x' * mixer.randrange(1, 95)}{number}.bin", mixer.randbytes(mixer.randrange(0, 3000))) for number in range(mixer.randrange(0, 9))]
    with tempfile.TemporaryDirectory() as folder:
        path = tar(Path(folder) / "a.tar", files, form)
        with tarfile.open(path) as theirs:
            wanted = [(one.name, one.offset_data, one.size) for one in theirs]
        assert [(one.name, one.offset, one.size) for one in members(LocalFile(str(path)))] == wanted


def test_members_may_lie_in_any_order_and_apart_and_that_is_told(tmp_path: Path) -> None:
    files = samples(6)
    random.Random(3).shuffle(files)
    path = tar(tmp_path / "a.tar", files)
    with pytest.warns(UserWarning, match=r"samples lie in pieces"):
        found = read(path)
    assert {key: (text, image) for key, (text, image, _, _) in found.items()} == {f"{n:05d}": (f"picture {n}", jpeg(seed=n)) for n in range(6)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tar(tmp_path / "b.tar", samples(6)))


def test_dots_in_keys_are_found_out_or_said(tmp_path: Path) -> None:
    dotted = tar(tmp_path / "dotted.tar", [(f"scan.v2.{number:04d}.jpg", jpeg(seed=number)) for number in range(40)])
    one = stream.open(dotted, parts={"image": stream.BytesSpec()}, drop_last=False)
    assert len(one.index) == 40
    assert one.index.keys([3]) == ["scan.v2.0003"]
    first = stream.open(dotted, keys="first_dot")
    assert len(first.index) == 1
    views = tar(tmp_path / "views.tar", [(f"{number}.{view}.jpg", jpeg(seed=number)) for number in range(40) for view in ("left", "right")])
    two = stream.open(views)
    assert (len(two.index), two.index.parts) == (40, {"left": "image", "right": "image"})


def damaged(tmp_path: Path, how: str) -> Path:
    path = tar(tmp_path / "a.tar", samples(4))
    data = bytearray(path.read_bytes())
    if how == "cut in a member":
        data = data[: data.index(b"00003.jpg") + 700]
    elif how == "no end":
        data = data[: data.index(b"00003.cls") + 1024]
    elif how == "garbage":
        place = data.index(b"00002.txt")
        data[place : place + 400] = os.urandom(400)
    elif how == "twice":
        tar(path, [*samples(2), ("00001.jpg", jpeg(seed=5))])
        return path
    elif how == "gzip":
        with tarfile.open(path, "w:gz") as out:
            out.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
        return path
    elif how == "text":
        data = bytearray(b"this is no tar at all" * 100)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("cut in a member", "it is cut"), ("no end", "without the mark of a finished tar"), ("garbage", "no tar header"),
        ("twice", "two members are called '00001.jpg'"), ("gzip", "unpack it first"), ("text", "no tar header"),
    ],
)  # fmt: skip
def test_a_damaged_tar_is_told_and_never_read_by_halves(tmp_path: Path, how: str, what: str) -> None:
    path = damaged(tmp_path, how)
    with pytest.raises(IntegrityError, match=what):
        read(path)
    assert not list(tmp_path.glob("*.arrow"))


def test_a_tar_is_indexed_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(3))
    read(path)
    index = tmp_path / "a.tar.arrow"
    before = index.stat().st_mtime_ns
    read(path)
    assert index.stat().st_mtime_ns == before
    tar(path, samples(5))
    assert len(read(path)) == 5
    index.write_bytes(b"not an index")
    assert len(read(path)) == 5
    with pa.memory_map(str(index)) as source:
        assert pa.ipc.open_file(source).read_all().num_rows == 5


def test_where_nothing_can_be_written_beside_a_tar_the_index_goes_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar(tmp_path / "data" / "a.tar", samples(3))
    monkeypatch.setenv("MODALMILL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "a.tar.arrow").mkdir()  # stands for a folder that cannot be written to, which root always can
    assert len(read(path)) == 3
    assert len(list((tmp_path / "cache" / "indexes").glob("*.arrow"))) == 1


def test_patterns_lists_and_splits_by_name(tmp_path: Path) -> None:
    for number in range(4):
        tar(tmp_path / f"train-{number:03d}.tar", samples(2, 2 * number))
    tar(tmp_path / "val-000.tar", samples(3, 100))
    count = lambda shards, **options: len(stream.open(shards, **options).index)  # noqa: E731  # said once
    assert count(tmp_path) == 11
    assert count(tmp_path, split="train") == 8
    assert count(f"{tmp_path}/train-*.tar") == 8
    assert count(f"{tmp_path}/train-{{000..002}}.tar") == 6
    assert count([f"{tmp_path}/train-00[01].tar", tmp_path / "val-000.tar"]) == 7
    for wrong, what in ((f"{tmp_path}/trian-*.tar", "no such file"), (f"{tmp_path}/a.tar.gz", "unpack it first"), ([], "shards: wanted a folder")):
        with pytest.raises(InputError, match=what):
            stream.open(wrong)
    with pytest.raises(InputError, match="did you mean 'train'"):
        stream.open(tmp_path, split="trian")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no shards.json here and no tar"):
        stream.open(tmp_path / "empty")


def test_some_tars_of_ours_are_found_with_their_index(uneven_shards: Path) -> None:
    tars = sorted(uneven_shards.glob("*.tar"))
    assert len(tars) > 2
    some = stream.open(tars[:2], parts={"image": stream.BytesSpec()}, drop_last=False)
    assert not list(uneven_shards.glob("*.tar.arrow"))
    every = stream.open(uneven_shards)
    assert len(some.index) == int((every.index.tar < 2).sum())
    assert some.index.checksum("image", next(row for row in range(len(some.index)) if some.index.spans["image"][row, 1] > 0)) is not None


def test_sets_of_ours_and_of_others_are_read_together(tmp_path: Path, vqa_shards: Path) -> None:
    tar(tmp_path / "a.tar", samples(5))
    both = stream.open([vqa_shards, tmp_path / "a.tar"], batch_size=5, drop_last=False)
    assert set(both.names) == {"image", "json", "question", "text"}
    seen = [(key, batch.present_BM[row].tolist()) for batch in both for row, key in enumerate(batch.keys) if key]
    assert len(seen) == 25
    assert {tuple(present) for key, present in seen if key.startswith("vqa")} == {tuple(name in ("image", "question") for name in both.names)}
    write(tmp_path / "sounds" / "b.wav", wav())
    tar(tmp_path / "b.tar", [("x.image.wav", wav())])
    with pytest.raises(InputError, match=r"part 'image' is audio here and image in another"):
        stream.open([tmp_path / "a.tar", tmp_path / "b.tar"])


def test_stock_readers_read_our_tars(uneven_shards: Path, vqa_shards: Path) -> None:
    batches = stream.open(uneven_shards, parts={"image": stream.BytesSpec()}, drop_last=False)
    ours = {key: image for batch in batches for key, image in zip(batch.keys, batch.lists["image"], strict=True)}
    tars = [str(path) for path in sorted(uneven_shards.glob("*.tar"))]
    theirs = {sample["__key__"]: sample.get("jpg") for sample in webdataset.WebDataset(tars, shardshuffle=False)}
    assert {key: image for key, image in ours.items() if image} == {key: image for key, image in theirs.items() if image}
    import datasets

    rows = datasets.load_dataset("webdataset", data_files={"train": [str(path) for path in vqa_shards.glob("*.tar")]}, split="train", streaming=True)
    found = {row["__key__"]: np.asarray(row["jpg"]).shape for row in rows}
    assert len(found) == 10
    assert set(found.values()) == {(48, 64, 3)}
