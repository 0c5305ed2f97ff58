"""Tars that others wrote are read whole, in whatever order their members lie, or reported; ours are
read by others.
"""

from __future__ import annotations

import io
import json
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
from modalmill.stages.media.tar_members import members
from modalmill.stages.stream.choose_order import block_starts
from modalmill.stages.stream.shards.files import LocalFile
from streams import samples, tar
from tiny import jpeg, png, wav, write


def read(shards: Any, **options: Any) -> dict[str, Any]:
    """Key -> caption, first bytes of the image, targets."""
    parts = {"image": stream.BytesSpec(), "text": stream.TextSpec(), "json": stream.JsonSpec()}
    found = {}
    for batch in stream.open(shards, parts=parts, drop_last=False, **options):
        for key, image, text, about, target in zip(
            batch.keys,
            batch.lists["image"],
            batch.lists["text"],
            batch.lists["json"],
            batch.targets(),
            strict=True,
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
    assert sorted(path.name for path in tmp_path.glob("*.arrow")) == [
        f"{number:05d}.tar.arrow" for number in range(3)
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    long = "d" * 90 + "/" + "k" * 60
    names = [(f"{long}{number}.jpg", jpeg(seed=number)) for number in range(3)]
    if form == tarfile.PAX_FORMAT:
        names.append(("größe.jpg", jpeg(seed=9)))
    path = tar(tmp_path / "a.tar", names, form)
    assert [(one.name, one.size) for one in members(LocalFile(str(path)))] == [
        (name, len(data)) for name, data in names
    ]
    keys = {
        key
        for batch in stream.open(path, parts={"image": stream.BytesSpec()}, drop_last=False)
        for key in batch.keys
    }
    assert keys == {name.rpartition(".")[0] for name, _ in names}


@given(st.randoms(use_true_random=False))
def test_the_reader_finds_what_tarfile_finds(mixer: random.Random) -> None:
    import tempfile

    form = mixer.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    files = [
        (f"{'x' * mixer.randrange(1, 95)}{number}.bin", mixer.randbytes(mixer.randrange(0, 3000)))
        for number in range(mixer.randrange(0, 9))
    ]
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
    assert {key: (text, image) for key, (text, image, _, _) in found.items()} == {
        f"{n:05d}": (f"picture {n}", jpeg(seed=n)) for n in range(6)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tar(tmp_path / "b.tar", samples(6)))


def test_dots_in_keys_are_found_out_or_said(tmp_path: Path) -> None:
    dotted = tar(
        tmp_path / "dotted.tar",
        [(f"scan.v2.{number:04d}.jpg", jpeg(seed=number)) for number in range(40)],
    )
    one = stream.open(dotted, parts={"image": stream.BytesSpec()}, drop_last=False)
    assert len(one.index) == 40
    assert one.index.keys([3]) == ["scan.v2.0003"]
    first = stream.open(dotted, keys="first_dot")
    assert len(first.index) == 1
    views = tar(
        tmp_path / "views.tar",
        [
            (f"{number}.{view}.jpg", jpeg(seed=number))
            for number in range(40)
            for view in ("left", "right")
        ],
    )
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
        ("cut in a member", "it is cut"),
        ("no end", "without the mark of a finished tar"),
        ("garbage", "no tar header"),
        ("twice", "two members are called '00001.jpg'"),
        ("gzip", "unpack it first"),
        ("text", "no tar header"),
    ],
)
def test_a_damaged_tar_is_told_and_never_read_by_halves(
    tmp_path: Path, how: str, what: str
) -> None:
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


def test_where_nothing_can_be_written_beside_a_tar_the_index_goes_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar(tmp_path / "data" / "a.tar", samples(3))
    monkeypatch.setenv("MODALMILL_CACHE", str(tmp_path / "cache"))
    # stands for a folder that cannot be written to, which root always can
    (tmp_path / "data" / "a.tar.arrow").mkdir()
    assert len(read(path)) == 3
    assert len(list((tmp_path / "cache" / "indexes").glob("*.arrow"))) == 1


def test_patterns_lists_and_splits_by_name(tmp_path: Path) -> None:
    for number in range(4):
        tar(tmp_path / f"train-{number:03d}.tar", samples(2, 2 * number))
    tar(tmp_path / "val-000.tar", samples(3, 100))
    # said once
    count = lambda shards, **options: len(stream.open(shards, **options).index)  # noqa: E731
    assert count(tmp_path) == 11
    assert count(tmp_path, split="train") == 8
    assert count(f"{tmp_path}/train-*.tar") == 8
    assert count(f"{tmp_path}/train-{{000..002}}.tar") == 6
    assert count([f"{tmp_path}/train-00[01].tar", tmp_path / "val-000.tar"]) == 7
    for wrong, what in (
        (f"{tmp_path}/trian-*.tar", "no such file"),
        (f"{tmp_path}/a.tar.gz", "unpack it first"),
        ([], "shards: wanted a folder"),
    ):
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
    assert (
        some.index.checksum(
            "image",
            next(row for row in range(len(some.index)) if some.index.spans["image"][row, 1] > 0),
        )
        is not None
    )


def test_sets_of_ours_and_of_others_are_read_together(tmp_path: Path, vqa_shards: Path) -> None:
    tar(tmp_path / "a.tar", samples(5))
    both = stream.open([vqa_shards, tmp_path / "a.tar"], batch_size=5, drop_last=False)
    assert set(both.names) == {"image", "json", "question", "text"}
    seen = [
        (key, batch.present_BM[row].tolist())
        for batch in both
        for row, key in enumerate(batch.keys)
        if key
    ]
    assert len(seen) == 25
    assert {tuple(present) for key, present in seen if key.startswith("vqa")} == {
        tuple(name in ("image", "question") for name in both.names)
    }
    write(tmp_path / "sounds" / "b.wav", wav())
    tar(tmp_path / "b.tar", [("x.image.wav", wav())])
    with pytest.raises(InputError, match=r"part 'image' is audio here and image in another"):
        stream.open([tmp_path / "a.tar", tmp_path / "b.tar"])


def test_stock_readers_read_our_tars(uneven_shards: Path, vqa_shards: Path) -> None:
    batches = stream.open(uneven_shards, parts={"image": stream.BytesSpec()}, drop_last=False)
    ours = {
        key: image
        for batch in batches
        for key, image in zip(batch.keys, batch.lists["image"], strict=True)
    }
    tars = [str(path) for path in sorted(uneven_shards.glob("*.tar"))]
    theirs = {
        sample["__key__"]: sample.get("jpg")
        for sample in webdataset.WebDataset(tars, shardshuffle=False)
    }
    assert {key: image for key, image in ours.items() if image} == {
        key: image for key, image in theirs.items() if image
    }
    import datasets

    rows = datasets.load_dataset(
        "webdataset",
        data_files={"train": [str(path) for path in vqa_shards.glob("*.tar")]},
        split="train",
        streaming=True,
    )
    found = {row["__key__"]: np.asarray(row["jpg"]).shape for row in rows}
    assert len(found) == 10
    assert set(found.values()) == {(48, 64, 3)}


def test_files_of_one_name_are_told_apart_for_the_whole_tar(tmp_path: Path) -> None:
    picture, mask = jpeg(seed=1), png(seed=2)
    members = [
        ("k1.jpg", picture),
        ("k1.png", mask),
        ("k2.png", mask),
        ("k3.left.jpg", picture),
        ("k3.left.txt", b"three"),
        ("k4.left.txt", b"four"),
    ]
    tar(tmp_path / "a.tar", members)
    one = stream.open(
        tmp_path / "a.tar",
        shuffle=False,
        parts={name: stream.BytesSpec() for name in ("image", "png", "left")}
        | {"left_txt": stream.TextSpec()},
    )
    batch = next(iter(one))
    assert batch.lists["image"] == [picture, None, None, None]
    assert batch.lists["png"] == [mask, mask, None, None]
    assert batch.lists["left"] == [None, None, picture, None]
    assert batch.lists["left_txt"] == [None, None, "three", "four"]


def test_either_of_two_endings_is_the_image(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("a.jpg", jpeg()), ("b.png", png())])
    assert set(stream.open(tmp_path / "a.tar").names) == {"image"}


def test_a_tar_that_changes_after_it_was_indexed_is_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(4))
    one = stream.open(path, parts=["text"])
    stream_of_bytes = stream.open(path, parts={"image": stream.BytesSpec()})
    next(iter(one))
    tar(path, samples(4, 10))
    with pytest.raises(IntegrityError, match="has changed since it was indexed"):
        list(stream_of_bytes)


def test_a_tar_that_is_cut_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(8))
    one = stream.open(path, parts={"image": stream.BytesSpec()}, batch_size=2, shuffle=False)
    batches = iter(one)
    next(batches)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(IntegrityError, match="cut since it was indexed"):
        list(batches)


def test_a_state_fits_a_copy_of_the_tars(tmp_path: Path) -> None:
    first = tar(tmp_path / "one" / "a.tar", samples(6))
    second = tmp_path / "other" / "a.tar"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    one, two, third = (
        stream.open(path, parts=["text"], batch_size=2)
        for path in (first, second, tar(tmp_path / "third" / "a.tar", samples(6, 1)))
    )
    next(iter(one))
    two.load_state_dict(one.state_dict())
    with pytest.raises(InputError, match="other data"):
        third.load_state_dict(one.state_dict())


def test_odd_texts_and_classes_do_not_close_a_tar(tmp_path: Path) -> None:
    members = [
        ("a.json", b'{"x": "\\ud800"}'),
        ("b.json", b'{"x": 1}'),
        ("c.cls", b"--5"),
        ("d.cls", "²".encode()),
        ("e.cls", b"9" * 5000),
        ("f.cls", b"-7"),
    ]
    members += [("g.txt", b"long " * 400_000)]
    tar(tmp_path / "a.tar", members)
    one = next(iter(stream.open(tmp_path / "a.tar", shuffle=False)))
    found = dict(zip(one.keys, one.targets(), strict=True))
    assert (found["a"], found["b"], found["c"], found["f"]) == (
        {},
        {"x": 1},
        {"cls": "--5"},
        {"cls": -7},
    )


def test_more_tars_than_files_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modalmill.stages.stream.shards.files._MOST_OPEN", 3)
    for number in range(12):
        tar(tmp_path / f"{number:02d}.tar", samples(2, 2 * number))
    before = len(os.listdir("/proc/self/fd"))
    one = stream.open(
        tmp_path,
        parts={"image": stream.ImageSpec(size=8)},
        batch_size=4,
        workers=3,
        drop_last=False,
    )
    for _ in range(3):
        assert sum(float(batch.weight_B.sum()) for batch in one) == 24
    assert len(os.listdir("/proc/self/fd")) <= before + 3


@pytest.mark.parametrize("name", ["{000..003.tar", "x[1/a.tar"])
def test_names_that_are_half_a_pattern(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="braces do not match|no such file"):
        stream.open(tmp_path / name)
    path = tar(tmp_path / name, samples(2))
    assert stream.open(path, parts=["text"]).records == 2


def test_a_target_that_one_set_lacks_holds_for_none_of_its_records(tmp_path: Path) -> None:
    one = tar(
        tmp_path / "one.tar",
        [
            (f"a{number}.json", json.dumps({"kind": "cat" if number % 2 else "dog"}).encode())
            for number in range(4)
        ],
    )
    other = tar(tmp_path / "other.tar", [(f"b{number}.json", b"{}") for number in range(4)])
    for where, count in (
        ("kind == 'cat'", 2),
        ("kind != 'cat'", 2),
        ("kind in ['cat', 'dog']", 4),
        ("not kind == 'cat'", 2),
        ("kind == 'cat' or key == 'b1'", 3),
    ):
        assert stream.open([one, other], parts=["json"], where=where).records == count


def test_sounds_that_nobody_measured_go_to_the_longest_class(
    tmp_path: Path, uneven_shards: Path
) -> None:
    tar(tmp_path / "a.tar", [(f"x{number}.wav", wav(seconds=0.3)) for number in range(3)])
    parts = {"audio": stream.AudioSpec(rate_hz=8000)}
    with pytest.raises(InputError, match="no such measurement"):
        stream.open(tmp_path / "a.tar", parts=parts, buckets={"audio": [0.1, 1.0]})
    seconds = {}
    for batch in stream.open(
        [uneven_shards, tmp_path / "a.tar"],
        parts=parts,
        batch_size=8,
        buckets={"audio": [0.15, 1.0]},
    ):
        for key, length in zip(batch.keys, batch.lengths["audio"].tolist(), strict=True):
            seconds[key] = length / 8000
    assert [seconds[f"x{number}"] for number in range(3)] == [0.3, 0.3, 0.3]
    assert len(seconds.keys() - {""}) == 303  # nothing is left out


def test_a_mixture_with_an_empty_set_is_told(tmp_path: Path) -> None:
    sets = [tar(tmp_path / f"{number}.tar", samples(3, 3 * number)) for number in range(2)]
    with pytest.raises(InputError, match="set 2 has weight 1.0, and no record of it is left"):
        stream.open(sets, parts=["text"], weights=[1, 1], where="cls < 3")


def test_records_without_media_begin_no_block_of_their_own(tmp_path: Path) -> None:
    """With half of the records text alone, two tars of pictures are as many blocks as their bytes
    make.
    """
    for name in ("a", "b"):
        members = [
            (f"{name}{number:02d}.jpg", bytes(5000))
            if number % 2
            else (f"{name}{number:02d}.txt", b"words")
            for number in range(40)
        ]
        tar(tmp_path / f"{name}.tar", members)
    opened = stream.open(tmp_path / "*.tar", parts=["image", "text"])
    starts = block_starts(opened.index, np.arange(80), 20_480)
    assert {0, 40, 80} <= set(starts.tolist())
    assert len(starts) - 1 == 2 * 7, (
        "a tar of 20 pictures of 512 + 5,120 bytes and 20 texts of 1,024 is as long as 6.5 blocks"
    )
